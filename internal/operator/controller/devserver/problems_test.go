package devserver_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

func resourceOne() *resource.Quantity { return resource.NewQuantity(1, resource.DecimalSI) }

func TestFlavorMissingAndFound(t *testing.T) {
	w := newWorld(t)
	w.create(w.devServer())
	d := w.settled()
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonFlavorNotFound, `"flavor-`+w.ns+`"`)
	w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonFlavorNotFound, "")
	if d.Status.Phase != devv1.PhasePending {
		t.Errorf("the phase is %s", d.Status.Phase)
	}
	w.absent(&appsv1.StatefulSet{}, "trainer")
	w.absent(&corev1.Secret{}, "trainer-ssh")
	if n := len(w.events.Events); n != 1 {
		t.Errorf("%d events, want 1", n)
	}

	w.flavor()
	d = w.settled()
	w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
	w.get(&appsv1.StatefulSet{}, "trainer")
}

// If several flavors are marked as the default, the oldest is.
func TestDefaultFlavor(t *testing.T) {
	w := newWorld(t)
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.Flavor = "" }))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonFlavorNotFound, "spec.flavor is not set")

	// If both are of the same second, the name decides.
	first := newFlavor("a-"+w.ns, func(f *devv1.DevServerFlavor) { f.Spec.Default = true })
	second := newFlavor("b-"+w.ns, func(f *devv1.DevServerFlavor) { f.Spec.Default = true })
	w.create(first, second)
	if d := w.settled(); d.Status.Flavor != first.Name {
		t.Errorf("the default flavor is %q, want %q", d.Status.Flavor, first.Name)
	}
	for _, f := range []client.Object{first, second} {
		if err := w.c.Delete(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSharedClaimMissingAndFound(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.SharedVolumeClaimName = "efs" }))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonClaimNotFound, `"efs"`)
	w.absent(&appsv1.StatefulSet{}, "trainer")
	w.create(w.claim("efs", nil))
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
}

func (w *world) claim(name string, annotations map[string]string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.ns, Annotations: annotations},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: *resourceOne()}},
		},
	}
}

func TestHomeOfAnotherOwner(t *testing.T) {
	for name, tc := range map[string]struct {
		annotations map[string]string
		reason      string
	}{
		"another owner's":  {map[string]string{objects.AnnotationOwner: "other@example.com"}, devv1.ReasonHomeConflict},
		"not a home":       {nil, devv1.ReasonHomeConflict},
		"the same owner's": {map[string]string{objects.AnnotationOwner: "user@example.com"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flavor()
			w.create(w.claim("home-trainer-0", tc.annotations), w.devServer())
			d := w.settled()
			if tc.reason == "" {
				w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
				return
			}
			w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, tc.reason, "home-trainer-0")
			w.absent(&appsv1.StatefulSet{}, "trainer")
		})
	}
}

// undecodableKey has the form of a key, so the API server accepts it, but it does not
// decode.
const undecodableKey = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB"

func TestUndecodableKey(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.SSH.PublicKeys = []string{undecodableKey} }))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonInvalidKey, "spec.ssh.publicKeys[0]")
	w.absent(&corev1.Secret{}, "trainer-ssh")
}

// If another owner's object has one of the names, it is not changed, and the condition
// names it.
func TestForeignObjects(t *testing.T) {
	labels := map[string]string{"app": "theirs"}
	port := []corev1.ServicePort{{Port: 80}}
	for name, foreign := range map[string]client.Object{
		"Secret":           &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "trainer-ssh"}, Data: map[string][]byte{"theirs": []byte("x")}},
		"headless Service": &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "trainer-headless"}, Spec: corev1.ServiceSpec{Selector: labels, Ports: port}},
		"SSH Service":      &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "trainer-ssh"}, Spec: corev1.ServiceSpec{Selector: labels, Ports: port}},
		"StatefulSet": &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "trainer"}, Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "theirs", Image: "theirs"}}},
			},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flavor()
			foreign := foreign.DeepCopyObject().(client.Object) //nolint:forcetypeassert // it was one
			foreign.SetNamespace(w.ns)
			w.create(foreign)
			before := foreign.GetResourceVersion()
			w.create(w.devServer())

			result, _ := w.reconcile()
			w.wantCondition(w.read(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonObjectConflict, "named "+foreign.GetName())
			if result.RequeueAfter != 30*time.Second {
				t.Errorf("the pass requeues after %s, want 30s", result.RequeueAfter)
			}
			w.get(foreign, foreign.GetName())
			if foreign.GetResourceVersion() != before {
				t.Errorf("%s was written: %+v", name, foreign)
			}
		})
	}
}

// Only events show that the API server refuses the pod. The operator's clock may be
// behind that of the API server, which set the StatefulSet's creation time.
func TestPodRefused(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	w.create(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "refused", Namespace: w.ns},
		InvolvedObject: corev1.ObjectReference{Kind: "StatefulSet", Namespace: w.ns, Name: "trainer", UID: set.UID},
		Reason:         "FailedCreate", Message: "pods \"trainer-0\" is forbidden: exceeded quota: gpus, requested: cpu=1, used: cpu=2, limited: cpu=2", Type: corev1.EventTypeWarning,
	})
	for _, age := range []time.Duration{-time.Hour, time.Minute} {
		w.clock.SetTime(set.CreationTimestamp.Add(age))
		w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonQuotaExceeded, "ResourceQuota gpus")
	}
}

// If a LimitRange refuses the SSH server's share, the operator understands the API
// server's own message, as the StatefulSet controller reports it.
func TestShareOfSSHServerRefused(t *testing.T) {
	w := newWorld(t)
	flavor := w.flavor(func(f *devv1.DevServerFlavor) {
		f.Spec.Resources.Limits = amounts("cpu", "2", "memory", "64Mi")
	})
	w.create(w.devServer())
	w.settled()
	w.create(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "team", Namespace: w.ns}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, Max: amounts("memory", "64Mi")},
	}}})
	refusal := w.refusal(t)
	if refusal == nil {
		t.Fatal("the API server accepts the pod")
	}
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	w.create(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "refused", Namespace: w.ns},
		InvolvedObject: corev1.ObjectReference{Kind: "StatefulSet", Namespace: w.ns, Name: "trainer", UID: set.UID},
		Reason:         "FailedCreate", Message: "create Pod trainer-0 in StatefulSet trainer failed error: " + refusal.Error(), Type: corev1.EventTypeWarning,
	})
	w.clock.SetTime(set.CreationTimestamp.Add(time.Minute))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonAdmissionRefused,
		"If the container ssh is the cause, an admin can set other requests and limits for it, in spec.sshResources of the DevServerFlavor "+flavor.Name)

	flavor.Spec.SSHResources = &corev1.ResourceRequirements{Limits: amounts("memory", "64Mi")}
	if err := w.c.Update(t.Context(), flavor); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	if err := w.refusal(t); err != nil {
		t.Errorf("with sshResources in the flavor: %v", err)
	}
}

// The pod meets the quotas and LimitRanges of its namespace, even if the operator did not
// create them, and whether they are older or newer than the server. A running server is
// not restarted because of them.
func TestPodMeetsLimitsOfNamespace(t *testing.T) {
	for _, older := range []bool{true, false} {
		t.Run(fmt.Sprintf("older=%t", older), func(t *testing.T) {
			w := newWorld(t)
			w.flavor(func(f *devv1.DevServerFlavor) {
				f.Spec.Resources = corev1.ResourceRequirements{Requests: amounts("cpu", "1", "memory", "1Gi"), Limits: amounts("cpu", "2", "memory", "1Gi")}
			})
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "team", Namespace: w.ns}}
			if older {
				w.limitNamespace(quota)
			}
			w.create(w.devServer())
			w.settled()
			pod := w.startPod()
			w.settled()
			if !older {
				w.limitNamespace(quota)
				w.reconcile()
			}
			if err := w.refusal(t); err != nil {
				t.Error(err)
			}

			if err := w.c.Delete(t.Context(), quota); err != nil {
				t.Fatal(err)
			}
			w.reconcile()
			set := &appsv1.StatefulSet{}
			if w.get(set, "trainer"); !set.Spec.Template.Spec.Containers[1].Resources.Limits.Cpu().IsZero() {
				t.Error("after the quota was deleted, the SSH server still has a CPU limit")
			}
			w.updateRevision()
			w.wantCondition(w.settled(), devv1.ConditionRestartPending, metav1.ConditionFalse, devv1.ReasonUpToDate, "")
			now := &corev1.Pod{}
			if w.get(now, pod.Name); now.UID != pod.UID || now.DeletionTimestamp != nil {
				t.Error("the running pod was replaced")
			}
		})
	}
}

// limitNamespace creates the quota and a LimitRange, as an admin would, and waits until
// the API server enforces both.
func (w *world) limitNamespace(quota *corev1.ResourceQuota) {
	w.t.Helper()
	quota.Spec.Hard = amounts("requests.cpu", "8", "requests.memory", "8Gi", "limits.cpu", "8", "limits.memory", "8Gi")
	w.create(quota, &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "team", Namespace: w.ns}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, Min: amounts("cpu", "50m", "memory", "64Mi"), MaxLimitRequestRatio: amounts("memory", "1.5")},
	}}})
	// No quota controller runs here, so the test sets the status.
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: amounts("requests.cpu", "0", "requests.memory", "0", "limits.cpu", "0", "limits.memory", "0")}
	if err := w.c.Status().Update(w.t.Context(), quota); err != nil {
		w.t.Fatal(err)
	}
	for part, resources := range map[string]corev1.ResourceRequirements{
		"must specify limits.cpu for: other": {Requests: amounts("cpu", "1", "memory", "1Gi"), Limits: amounts("memory", "1Gi")},
		"minimum memory usage per Container": {Requests: amounts("cpu", "1", "memory", "32Mi"), Limits: amounts("cpu", "1", "memory", "64Mi")},
	} {
		other := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: w.ns}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "other", Image: "example.com/other:1", Resources: resources}}}}
		var last error
		err := wait.PollUntilContextTimeout(w.t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			last = w.c.Create(ctx, other.DeepCopy(), client.DryRunAll)
			return last != nil && strings.Contains(last.Error(), part), nil
		})
		if err != nil {
			w.t.Fatalf("no refusal of a pod contains %q; the last result is %v", part, last)
		}
	}
}

func amounts(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

// The restricted Pod Security Standard admits the pod.
func TestPodIsRestricted(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`))
	if err := w.c.Patch(t.Context(), namespace, patch); err != nil {
		t.Fatal(err)
	}
	if err := w.refusal(t); err != nil {
		t.Error(err)
	}
}

// refusal is why the API server refuses the server's pod; nil if it does not.
func (w *world) refusal(t *testing.T) error {
	t.Helper()
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	spec := set.Spec.Template.Spec
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "home"})
	return w.c.Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "trainer-", Namespace: w.ns}, Spec: spec}, client.DryRunAll)
}

func TestRestartPendingAfterFlavorEdit(t *testing.T) {
	w := newWorld(t)
	flavor := w.flavor()
	w.create(w.devServer())
	w.settled()
	w.startPod()
	w.wantCondition(w.settled(), devv1.ConditionRestartPending, metav1.ConditionFalse, devv1.ReasonUpToDate, "")

	flavor.Spec.Env = append(flavor.Spec.Env, devv1.EnvVar{Name: "ADDED", Value: "1"})
	if err := w.c.Update(t.Context(), flavor); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.updateRevision()
	d := w.settled()
	w.wantCondition(d, devv1.ConditionRestartPending, metav1.ConditionTrue, devv1.ReasonSettingsChanged, "devctl restart trainer")
	if d.Status.Phase != devv1.PhaseRunning {
		t.Errorf("while a restart is pending, the phase is %s", d.Status.Phase)
	}
}

// A new version of the agent leaves the running server current, although the template
// has another revision. A pod of the operator's previous version has no hash, so its
// revision counts.
func TestNewAgentNeedsNoRestart(t *testing.T) {
	for name, tc := range map[string]struct {
		hash    bool
		pending metav1.ConditionStatus
		reason  string
	}{
		"a pod with a hash":    {true, metav1.ConditionFalse, devv1.ReasonUpToDate},
		"a pod without a hash": {false, metav1.ConditionTrue, devv1.ReasonSettingsChanged},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flavor()
			w.create(w.devServer())
			w.settled()
			pod := w.startPod()
			if !tc.hash {
				delete(pod.Annotations, objects.AnnotationTemplateHash)
				if err := w.c.Update(t.Context(), pod); err != nil {
					t.Fatal(err)
				}
			}
			w.settled()

			before := &appsv1.StatefulSet{}
			w.get(before, "trainer")
			w.r.Config.AgentImage = "example.com/agent:2"
			w.reconcile()
			w.updateRevision()
			after := &appsv1.StatefulSet{}
			w.get(after, "trainer")
			if before.Generation == after.Generation {
				t.Fatal("the template does not have the new agent")
			}
			w.wantCondition(w.settled(), devv1.ConditionRestartPending, tc.pending, tc.reason, "")
		})
	}
}

// A pod with outdated settings is replaced if its server never ran, for example because
// its image does not exist. If the server ran, its owner decides when to restart it.
func TestUnstartedPodIsReplaced(t *testing.T) {
	for name, tc := range map[string]struct {
		status  corev1.PodStatus
		deleted bool
	}{
		"never started": {corev1.PodStatus{Phase: corev1.PodPending}, true},
		"ran, and cannot start again": {corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
			Name: objects.ServerContainer, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}},
		}}}, false},
		"its SSH server never started": {corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{
			{Name: objects.ServerContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
			{Name: objects.SSHContainer, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}}},
		}}, true},
		"runs": {corev1.PodStatus{Phase: corev1.PodRunning}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flavor()
			w.create(w.devServer())
			w.settled()
			pod := w.startPod()
			pod.Status = tc.status
			if err := w.c.Status().Update(t.Context(), pod); err != nil {
				t.Fatal(err)
			}
			w.reconcile()
			w.get(pod, "trainer-0")
			if !pod.DeletionTimestamp.IsZero() {
				t.Fatal("a pod with the current settings is deleted")
			}

			set := &appsv1.StatefulSet{}
			w.get(set, "trainer")
			set.Status.UpdateRevision = "trainer-2"
			if err := w.c.Status().Update(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			w.reconcile()
			err := w.c.Get(t.Context(), client.ObjectKeyFromObject(pod), pod)
			if client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}
			if deleted := err != nil || !pod.DeletionTimestamp.IsZero(); deleted != tc.deleted {
				t.Errorf("the pod is deleted: %t, want %t", deleted, tc.deleted)
			}
		})
	}
}

// The admission policy refuses these Services. The operator does not apply them either,
// if the policy does not exist.
func TestServiceNotAllowed(t *testing.T) {
	for name, service := range map[string]devv1.SSHServiceSpec{
		"spec.ssh.service.type must be NodePort, ClusterIP or None":                                       {Type: devv1.SSHServiceLoadBalancer},
		"spec.ssh.service.annotations must not contain external-dns.alpha.kubernetes.io/hostname in this": {Annotations: map[string]devv1.AnnotationValue{"external-dns.alpha.kubernetes.io/hostname": "login.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flavor()
			w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.SSH.Service = service }))
			d := w.settled()
			w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonServiceNotAllowed, name)
			w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonServiceNotAllowed, name)
			w.absent(&corev1.Service{}, "trainer-ssh")

			// The owner corrects it.
			d.Spec.SSH.Service = devv1.SSHServiceSpec{}
			if err := w.c.Update(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
			w.get(&corev1.Service{}, "trainer-ssh")
		})
	}
}

// A running server whose Service is no longer allowed keeps its pod, Service and
// address, and its owner can still remove keys.
func TestServiceNoLongerAllowed(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.r.Config.Services.Annotations = []string{"example.com/pool"}
	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Spec.SSH.PublicKeys = []string{otherKey}
		d.Spec.SSH.Service.Annotations = map[string]devv1.AnnotationValue{"example.com/pool": "public"}
	}))
	w.settled()
	w.startPod()
	w.settled()

	w.r.Config.Services.Annotations = nil
	d := w.settled()
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionTrue, devv1.ReasonAnswering, "")
	w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonServiceNotAllowed, "must not contain example.com/pool")
	service := &corev1.Service{}
	if w.get(service, "trainer-ssh"); service.Annotations["example.com/pool"] != "public" {
		t.Errorf("the Service was changed: its annotations are %v", service.Annotations)
	}

	d.Spec.SSH.PublicKeys = nil
	if err := w.c.Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	w.settled()
	secret := &corev1.Secret{}
	if w.get(secret, "trainer-ssh"); string(secret.Data["authorized_keys"]) != publicKey+"\n" {
		t.Errorf("the removed key is still authorized: %s", secret.Data["authorized_keys"])
	}

	// Deleted, it is not created again.
	if err := w.c.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.absent(&corev1.Service{}, "trainer-ssh")
}
