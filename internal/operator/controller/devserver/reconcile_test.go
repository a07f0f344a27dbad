package devserver_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/desired"
)

// Running takes six writes and no read from the API server. After that, a pass writes
// nothing.
func TestCreateToRunning(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())

	_, first := w.reconcile()
	d := w.read()
	if d.Status.Phase != devv1.PhaseStarting || d.Status.SSH.Port == 0 || d.Status.SSH.Host != "" {
		t.Errorf("after the first pass the phase is %s, ssh %+v", d.Status.Phase, d.Status.SSH)
	}
	if result, writes := w.reconcile(); len(writes) > 0 || result.RequeueAfter == 0 {
		t.Errorf("a pass before the pod exists writes %v and requeues after %s", writes, result.RequeueAfter)
	}
	w.startPod()
	_, second := w.reconcile()
	d = w.settled()

	if n := len(first) + len(second); n != 6 {
		t.Errorf("%d writes, want 6: %v, %v", n, first, second)
	}
	if len(w.gets) > 0 {
		t.Errorf("reads from the API server: %v", w.gets)
	}
	if d.Status.Phase != devv1.PhaseRunning || d.Status.Flavor != "flavor-"+w.ns || d.Status.PodName != "trainer-0" || d.Status.NodeName != "node-1" {
		t.Errorf("the status of a running server is %+v", d.Status)
	}
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionTrue, devv1.ReasonAnswering, "SSH answers")
	if !strings.HasPrefix(d.Status.SSH.HostKey, "ssh-ed25519 AAAA") || !strings.HasSuffix(d.Status.SSH.Command, "dev@192.0.2.1") {
		t.Errorf("status.ssh is %+v", d.Status.SSH)
	}
	if len(w.events.Events) > 0 {
		t.Errorf("an event although nothing went wrong: %s", <-w.events.Events)
	}
}

func TestObjectsBelongToTheDevServer(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	d := w.settled()
	for name, o := range map[string]client.Object{
		"trainer": &appsv1.StatefulSet{}, "trainer-headless": &corev1.Service{}, "trainer-ssh": &corev1.Service{},
	} {
		w.get(o, name)
		if !metav1.IsControlledBy(o, d) {
			t.Errorf("%T %s does not belong to the DevServer", o, name)
		}
	}
	secret := &corev1.Secret{}
	w.get(secret, "trainer-ssh")
	if secret.Type != desired.SecretType || !metav1.IsControlledBy(secret, d) || string(secret.Data["authorized_keys"]) != publicKey+"\n" {
		t.Errorf("the Secret is %+v", secret)
	}
}

// An edited Service is restored, and a deleted one is created again with its port.
func TestServiceIsRestored(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	d := w.settled()

	service := &corev1.Service{}
	w.get(service, "trainer-ssh")
	service.Spec.Selector = map[string]string{"app": "elsewhere"}
	if err := w.c.Update(t.Context(), service, client.FieldOwner("hand")); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.get(service, "trainer-ssh")
	if service.Spec.Selector[objects.LabelInstance] != "trainer" {
		t.Errorf("an edited selector is not restored: %v", service.Spec.Selector)
	}

	if err := w.c.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	w.settled()
	service = &corev1.Service{}
	w.get(service, "trainer-ssh")
	if got := service.Spec.Ports[0].NodePort; got != d.Status.SSH.Port {
		t.Errorf("the Service that was created again has the port %d, want %d as before", got, d.Status.SSH.Port)
	}
}

// A StatefulSet is compared with the desired one only if more than its status
// changed. Manual edits are restored even if its status changed at the same time.
func TestEditedStatefulSetIsRestored(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	for name, edit := range map[string]func(*appsv1.StatefulSet){
		"label":      func(s *appsv1.StatefulSet) { delete(s.Labels, objects.LabelManagedBy) },
		"annotation": func(s *appsv1.StatefulSet) { s.Annotations[objects.AnnotationOwner] = "somebody@example.com" },
		"replicas":   func(s *appsv1.StatefulSet) { s.Spec.Replicas = new(int32(3)) },
		"image":      func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Image = "example.com/other:1" },
	} {
		set := &appsv1.StatefulSet{}
		w.get(set, "trainer")
		want := set.DeepCopy()
		edit(set)
		if err := w.c.Update(t.Context(), set, client.FieldOwner("hand")); err != nil {
			t.Fatal(err)
		}
		set.Status.Replicas++
		set.Status.ObservedGeneration = set.Generation
		if err := w.c.Status().Update(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		w.settled()
		w.get(set, "trainer")
		if !maps.Equal(set.Labels, want.Labels) || !maps.Equal(set.Annotations, want.Annotations) || !equality.Semantic.DeepEqual(set.Spec, want.Spec) {
			t.Errorf("%s: the edit is not restored", name)
		}
	}
}

// The status of a StatefulSet changes often. Such a change causes no write.
func TestStatefulSetWithNewStatusIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: set.Generation, Replicas: 1}
	if err := w.c.Status().Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if _, writes := w.reconcile(); len(writes) > 0 {
		t.Errorf("after a change of the StatefulSet's status, a pass writes %v", writes)
	}
}

// An operator that has just started does not know what was applied, so it compares.
func TestNewOperatorWritesOnlyWhatDiffers(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	w.r.Applier = &apply.Applier{Client: w.r.Client, Live: w.r.Live}
	if _, writes := w.reconcile(); len(writes) > 0 {
		t.Errorf("although nothing differs, a new operator writes %v", writes)
	}

	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	set.Spec.Template.Spec.Containers[0].Image = "example.com/other:1"
	if err := w.c.Update(t.Context(), set, client.FieldOwner("hand")); err != nil {
		t.Fatal(err)
	}
	w.r.Applier = &apply.Applier{Client: w.r.Client, Live: w.r.Live}
	w.reconcile()
	if w.get(set, "trainer"); set.Spec.Template.Spec.Containers[0].Image != "example.com/trainer:1" {
		t.Errorf("an edit while no operator ran is not restored: the image is %s", set.Spec.Template.Spec.Containers[0].Image)
	}
}

// If another Service has taken the port of a deleted one, the server gets a new port.
func TestTakenNodePortIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	port := w.settled().Status.SSH.Port
	service := &corev1.Service{}
	w.get(service, "trainer-ssh")
	if err := w.c.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	w.create(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "thief", Namespace: w.ns},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 22, NodePort: port}}},
	})
	if d := w.settled(); d.Status.SSH.Port == port || d.Status.SSH.Port == 0 {
		t.Errorf("the port is %d; %d is taken", d.Status.SSH.Port, port)
	}
}

// A limit that is removed from the flavor is removed from the pod template, although
// the fields that remain are equal.
func TestRemovedFieldIsRemoved(t *testing.T) {
	w := newWorld(t)
	f := w.flavor(func(f *devv1.DevServerFlavor) {
		f.Spec.Resources.Limits = corev1.ResourceList{"nvidia.com/gpu": *resourceOne()}
	})
	w.create(w.devServer())
	w.settled()
	f.Spec.Resources.Limits = nil
	if err := w.c.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	w.settled()
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	if limits := set.Spec.Template.Spec.Containers[0].Resources.Limits; len(limits) > 0 {
		t.Errorf("the template still has the limits %v", limits)
	}
}

func TestServiceTypeNone(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	d := w.settled()
	d.Spec.SSH.Service.Type = devv1.SSHServiceNone
	if err := w.c.Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	d = w.settled()
	w.absent(&corev1.Service{}, "trainer-ssh")
	if d.Status.SSH.Command != "" {
		t.Errorf("without a Service the command is %q", d.Status.SSH.Command)
	}
}

// New keys change the Secret, but not the pod template.
func TestKeyChange(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	d := w.settled()
	before := &appsv1.StatefulSet{}
	w.get(before, "trainer")
	const second = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ2lYzXbCVZ2PKQYzN9m4m0yVvVpKzYxk3Rj0e7mVnB second"
	d.Spec.SSH.PublicKeys = []string{second}
	if err := w.c.Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	w.settled()
	secret, after := &corev1.Secret{}, &appsv1.StatefulSet{}
	w.get(secret, "trainer-ssh")
	w.get(after, "trainer")
	if got := string(secret.Data["authorized_keys"]); got != publicKey+"\n"+second+"\n" {
		t.Errorf("authorized_keys is %q", got)
	}
	if before.Generation != after.Generation {
		t.Error("new keys change the StatefulSet's spec")
	}
}

func TestSameKeysAfterRecreation(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	d := w.settled()
	key := d.Status.SSH.HostKey
	if err := w.c.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	// No garbage collector runs here, so the objects of the old DevServer still exist
	// and still belong to it.
	w.create(w.devServer())
	w.reconcile()
	d = w.read()
	if d.Status.SSH == nil || d.Status.SSH.HostKey != key {
		t.Errorf("the DevServer that was created again has another host key: %+v", d.Status.SSH)
	}
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonObjectConflict, "of an earlier DevServer of the same name")
}

// Secrets are not watched. A pod that cannot mount its volumes is the only sign that
// the Secret was deleted.
func TestDeletedSecretIsRestored(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	secret := &corev1.Secret{}
	w.get(secret, "trainer-ssh")
	if err := w.c.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	pod := w.startPod()
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending}
	if err := w.c.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if result, _ := w.reconcile(); result.RequeueAfter == 0 {
		t.Error("while a pod waits for its volumes, a pass does not requeue")
	}
	w.absent(&corev1.Secret{}, "trainer-ssh")
	w.clock.SetTime(pod.CreationTimestamp.Add(time.Minute))
	w.reconcile()
	w.get(&corev1.Secret{}, "trainer-ssh")
}
