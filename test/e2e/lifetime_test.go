package e2e

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestHomeSurvives: home and host key stay when the pod or the DevServer is deleted
// and created again.
func TestHomeSurvives(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	hostKey := b.ds.Status.SSH.HostKey

	b.sh("test -s ~/.bashrc && rm ~/.bashrc") // it came from the image's /etc/skel
	b.sh("echo work > ~/file; mkdir ~/.ssh; chmod 700 ~/.ssh; ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519; echo x > ~/.profile")
	before := b.sh(homeState)

	port := b.ds.Status.SSH.Port
	pod := b.podUID()
	b.delete(b.pod())
	b = b.restarted(pod)
	sameHome(b, "kubectl delete pod", before, hostKey)
	if b.ds.Status.SSH.Port != port {
		b.Errorf("the port changed from %d to %d", port, b.ds.Status.SSH.Port)
	}

	s.delete(b.ds)
	s.awaitGone(b.ds)
	s.awaitGone(b.pod())
	b = s.start(s.devServer("server"))
	sameHome(b, "deleting and creating the DevServer again", before, hostKey)
}

// homeState prints the contents, modes and owners of files in the home, and so also
// which files were deleted.
const homeState = `cd ~; cat file .profile; ls -A; stat -c '%n %a %U %G' . .ssh .ssh/*; ssh-keygen -y -f .ssh/id_ed25519`

func sameHome(b *server, after, before, hostKey string) {
	b.Helper()
	if now := b.sh(homeState); now != before {
		b.Errorf("%s changed the home from\n%s\nto\n%s", after, before, now)
	}
	if b.ds.Status.SSH.HostKey != hostKey {
		b.Errorf("%s changed the host key", after)
	}
}

// TestSharedVolume: two servers share the file system at /shared.
func TestSharedVolume(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.newShared("data")
	one, two := s.devServer("one"), s.devServer("two")
	one.Spec.SharedVolumeClaimName, two.Spec.SharedVolumeClaimName = "data", "data"
	s.create(one)
	s.create(two)
	first, second := s.running(one), s.running(two)
	first.sh("mkdir /shared/models && echo from one > /shared/models/file")
	second.want("cat /shared/models/file; stat -c %U /shared/models/file; echo from two >> /shared/models/file", "from one\ndev")
	first.want("cat /shared/models/file", "from one\nfrom two")
	// Their homes are separate.
	first.sh("touch ~/mine")
	second.sh("test ! -e ~/mine")
}

// TestDeletion: deleting a DevServer deletes all its objects except its home.
func TestDeletion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: s.named("home-server-0")}
	s.get(claim)
	s.delete(b.ds)
	s.awaitGone(b.ds)
	for _, o := range []client.Object{
		b.pod(),
		&appsv1.StatefulSet{ObjectMeta: s.named("server")},
		&corev1.Service{ObjectMeta: s.named("server-headless")},
		&corev1.Service{ObjectMeta: s.named("server-ssh")},
		&corev1.Secret{ObjectMeta: s.named("server-ssh")},
	} {
		s.awaitGone(o)
	}
	kept := claim.DeepCopy()
	if s.get(kept); kept.UID != claim.UID || kept.DeletionTimestamp != nil || len(kept.OwnerReferences) != 0 {
		s.Errorf("the home was not retained: %+v", kept.ObjectMeta)
	}
}

// TestStatusSaysWhere: the status has the pod, its address and node, the flavor and
// the host key.
func TestStatusSaysWhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	p := b.readPod()
	status := b.ds.Status
	if status.PodName != p.Name || status.PodIP != p.Status.PodIP || status.NodeName != p.Spec.NodeName || status.StartedAt == nil || status.Flavor != s.flavor {
		s.Errorf("status %+v does not describe pod %s on %s at %s", status, p.Name, p.Spec.NodeName, p.Status.PodIP)
	}
	if !strings.HasPrefix(status.SSH.HostKey, "ssh-ed25519 AAAA") {
		s.Errorf("host key %q", status.SSH.HostKey)
	}
}
