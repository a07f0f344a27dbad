package e2e

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
)

// TestDeletedChildren: objects that were deleted by hand come back, and the
// port of the SSH Service with it.
func TestDeletedChildren(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	port := b.ds.Status.SSH.Port

	ssh := &corev1.Service{ObjectMeta: s.named("server-ssh")}
	for range 5 { // the API server frees the port a moment after the Service is gone
		back(s, ssh)
		if s.get(ssh); ssh.Spec.Ports[0].NodePort != port {
			s.Fatalf("the port was %d and is %d", port, ssh.Spec.Ports[0].NodePort)
		}
	}
	back(s, &corev1.Service{ObjectMeta: s.named("server-headless")})
	s.eventually("the same port answers again", func() bool { return b.try("true").Code == 0 })

	pod := b.podUID()
	back(s, &appsv1.StatefulSet{ObjectMeta: s.named("server")})
	b = b.restarted(pod)
	if b.ds.Status.SSH.Port != port {
		s.Errorf("the port was %d and is %d", port, b.ds.Status.SSH.Port)
	}
	b.want("whoami", "dev")
}

// back deletes an object and waits until there is another one.
func back[T client.Object](s *site, obj T) {
	s.Helper()
	s.get(obj)
	uid := obj.GetUID()
	s.delete(obj)
	await(s, obj, "made again", func(o T) bool { return o.GetUID() != uid && o.GetDeletionTimestamp() == nil })
}

// TestEditedChildren: edits by hand are undone; what the operator says nothing
// about is left to others.
func TestEditedChildren(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))

	ssh := &corev1.Service{ObjectMeta: s.named("server-ssh")}
	s.get(ssh)
	want := ssh.DeepCopy()
	edit(s, ssh, func(x *corev1.Service) {
		x.Spec.Ports[0].TargetPort = intstr.FromInt32(9)
		x.Annotations = map[string]string{"example.com/note": "somebody's"}
	})
	ssh = await(s, ssh, "back as it was", func(x *corev1.Service) bool { return x.Spec.Ports[0].TargetPort == want.Spec.Ports[0].TargetPort })
	if ssh.Annotations["example.com/note"] != "somebody's" {
		s.Error("somebody else's annotation is gone")
	}

	headless := &corev1.Service{ObjectMeta: s.named("server-headless")}
	edit(s, headless, func(x *corev1.Service) { x.Spec.Selector["app.kubernetes.io/name"] = "other" })
	await(s, headless, "back as it was", func(x *corev1.Service) bool { return x.Spec.Selector["app.kubernetes.io/name"] != "other" })

	sts := &appsv1.StatefulSet{ObjectMeta: s.named("server")}
	s.get(sts)
	image := sts.Spec.Template.Spec.Containers[0].Image
	edit(s, sts, func(x *appsv1.StatefulSet) {
		x.Spec.Replicas = new(int32)
		x.Spec.Template.Spec.Containers[0].Image = "localhost:1/other:1"
	})
	await(s, sts, "back as it was", func(x *appsv1.StatefulSet) bool {
		return *x.Spec.Replicas == 1 && x.Spec.Template.Spec.Containers[0].Image == image
	})
	s.eventually("SSH answers again", func() bool { return b.try("true").Code == 0 })
}

// TestRestartPending: an edit of the flavor restarts nothing; it is said, and
// counts from the next start on.
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
