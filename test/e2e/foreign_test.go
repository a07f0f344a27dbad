package e2e

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
)

// TestForeignObjects: an existing object that has a name that a server needs but
// does not belong to it is not changed. The condition names it, and the server
// starts when it is deleted.
func TestForeignObjects(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	labels := map[string]string{"app": "foreign"}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
	template.Spec.Containers = []corev1.Container{{Name: "c", Image: "localhost:1/none:1"}}
	for name, foreign := range map[string]client.Object{
		"service": &corev1.Service{
			ObjectMeta: s.named("service-ssh"),
			Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80}}},
		},
		"headless": &corev1.Service{
			ObjectMeta: s.named("headless-headless"),
			Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80}}},
		},
		"statefulset": &appsv1.StatefulSet{
			ObjectMeta: s.named("statefulset"),
			Spec: appsv1.StatefulSetSpec{
				Replicas: new(int32), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template,
			},
		},
		"secret": &corev1.Secret{
			ObjectMeta: s.named("secret-ssh"),
			StringData: map[string]string{"password": "foreign"},
		},
	} {
		s.create(foreign)
		s.sub(name, func(s *site) { untouched(s, name, foreign, v1.ReasonObjectConflict) })
	}
	home := &corev1.PersistentVolumeClaim{ObjectMeta: s.named("home-home-0")}
	home.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	home.Spec.Resources.Requests = quantities("storage", "64Mi")
	home.Spec.StorageClassName = new(string) // no class: nothing else writes it
	s.create(home)
	// Once another server uses the claim, the operator's cache contains it.
	reader := s.devServer("reader")
	reader.Spec.SharedVolumeClaimName = home.Name
	s.create(reader)
	await(s, &appsv1.StatefulSet{ObjectMeta: s.named("reader")}, "existed", func(*appsv1.StatefulSet) bool { return true })
	s.delete(reader)
	s.sub("home", func(s *site) { untouched(s, "home", home, v1.ReasonHomeConflict) })
}

func untouched(s *site, name string, foreign client.Object, reason string) {
	if sts, ok := foreign.(*appsv1.StatefulSet); ok {
		// The StatefulSet controller writes the status once.
		foreign = await(s, sts, "observed", func(o *appsv1.StatefulSet) bool { return o.Status.ObservedGeneration == o.Generation })
	}
	ds := s.devServer(name)
	s.create(ds)
	ds = s.notReady(ds, v1.PhasePending, reason, foreign.GetName())
	now := foreign.DeepCopyObject().(client.Object)
	if s.get(now); !equality.Semantic.DeepEqual(foreign, now) {
		s.Errorf("%T %s was changed:\n%+v\n%+v", foreign, foreign.GetName(), foreign, now)
	}
	s.absent(&corev1.Pod{ObjectMeta: s.named(name + "-0")})
	s.delete(foreign)
	b := s.running(ds)
	if b.want("whoami", "dev"); reason == v1.ReasonObjectConflict {
		if s.get(now); !metav1.IsControlledBy(now, ds) {
			s.Errorf("%T %s does not belong to the DevServer after the foreign object was deleted", now, now.GetName())
		}
	}
}

// TestHomeOfAnotherOwner: a retained home belongs to the owner of its former
// DevServer. A new DevServer of the same name but another owner does not get it.
func TestHomeOfAnotherOwner(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	hostKey := b.ds.Status.SSH.HostKey
	s.delete(b.ds)
	s.awaitGone(b.ds)
	s.awaitGone(b.pod())
	ds := s.devServer("server")
	ds.Spec.Owner = "somebody-else@example.com"
	s.create(ds)
	ds = s.notReady(ds, v1.PhasePending, v1.ReasonHomeConflict, "home-server-0")
	if ds.Status.SSH != nil && ds.Status.SSH.HostKey == hostKey {
		s.Error("another owner gets the same host key")
	}
	s.absent(&corev1.Pod{ObjectMeta: s.named("server-0")})
}
