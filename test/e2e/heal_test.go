package e2e

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
)

// TestDeletedChildren: the operator creates deleted objects again. The SSH Service
// keeps its port.
func TestDeletedChildren(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	port := b.ds.Status.SSH.Port

	ssh := &corev1.Service{ObjectMeta: s.named("server-ssh")}
	for range 5 { // the API server frees the port a moment after the Service is deleted
		back(s, ssh)
		if s.get(ssh); ssh.Spec.Ports[0].NodePort != port {
			s.Fatalf("the port changed from %d to %d", port, ssh.Spec.Ports[0].NodePort)
		}
	}
	back(s, &corev1.Service{ObjectMeta: s.named("server-headless")})
	s.eventually("the same port answers again", func() bool { return b.try("true").Code == 0 })

	pod := b.podUID()
	back(s, &appsv1.StatefulSet{ObjectMeta: s.named("server")})
	b = b.restarted(pod)
	if b.ds.Status.SSH.Port != port {
		s.Errorf("the port changed from %d to %d", port, b.ds.Status.SSH.Port)
	}
	b.want("whoami", "dev")
}

// back deletes an object and waits until it is created again.
func back[T client.Object](s *site, obj T) {
	s.Helper()
	s.get(obj)
	uid := obj.GetUID()
	s.delete(obj)
	await(s, obj, "created again", func(o T) bool { return o.GetUID() != uid && o.GetDeletionTimestamp() == nil })
}

// TestEditedChildren: the operator reverts changes of the fields that it sets, and
// leaves other fields alone.
func TestEditedChildren(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))

	ssh := &corev1.Service{ObjectMeta: s.named("server-ssh")}
	s.get(ssh)
	want := ssh.DeepCopy()
	edit(s, ssh, func(x *corev1.Service) {
		x.Spec.Ports[0].TargetPort = intstr.FromInt32(9)
		x.Annotations = map[string]string{"example.com/note": "foreign"}
	})
	ssh = await(s, ssh, "reverted", func(x *corev1.Service) bool { return x.Spec.Ports[0].TargetPort == want.Spec.Ports[0].TargetPort })
	if ssh.Annotations["example.com/note"] != "foreign" {
		s.Error("a foreign annotation was removed")
	}

	headless := &corev1.Service{ObjectMeta: s.named("server-headless")}
	edit(s, headless, func(x *corev1.Service) { x.Spec.Selector["app.kubernetes.io/name"] = "other" })
	await(s, headless, "reverted", func(x *corev1.Service) bool { return x.Spec.Selector["app.kubernetes.io/name"] != "other" })

	sts := &appsv1.StatefulSet{ObjectMeta: s.named("server")}
	s.get(sts)
	image := sts.Spec.Template.Spec.Containers[0].Image
	edit(s, sts, func(x *appsv1.StatefulSet) {
		x.Spec.Replicas = new(int32)
		x.Spec.Template.Spec.Containers[0].Image = "localhost:1/other:1"
	})
	await(s, sts, "reverted", func(x *appsv1.StatefulSet) bool {
		return *x.Spec.Replicas == 1 && x.Spec.Template.Spec.Containers[0].Image == image
	})
	s.eventually("SSH answers again", func() bool { return b.try("true").Code == 0 })
}

// TestRestartPending: an edit of the flavor does not restart the server. The server
// reports RestartPending, and the edit takes effect at the next start.
func TestRestartPending(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	pod := b.podUID()
	flavor := &v1.DevServerFlavor{}
	flavor.Name = s.flavor
	edit(s, flavor, func(f *v1.DevServerFlavor) { f.Spec.Env = []v1.EnvVar{{Name: "FROM_FLAVOR", Value: "new"}} })
	await(s, b.ds, "RestartPending", restartPending)
	if b.want("printenv FROM_FLAVOR; true", ""); b.podUID() != pod {
		s.Error("an edit of the flavor restarted the server")
	}
	b.delete(b.pod())
	b = b.restarted(pod)
	b.want("printenv FROM_FLAVOR", "new")
	await(s, b.ds, "without a pending restart", func(d *v1.DevServer) bool { return !restartPending(d) })
}
