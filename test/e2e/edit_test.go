package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// TestOwnEdit: an edit of a DevServer takes effect at once and is reported in an
// event. An invalid edit that is reverted does not restart the server.
func TestOwnEdit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	b.sh("echo kept > ~/file")
	before := b.podUID()

	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.Env = []v1.EnvVar{{Name: "TIER", Value: "two words"}} })
	b = b.restarted(before)
	b.want("echo $TIER; cat ~/file", "two words\nkept")
	s.awaitEvent("server", "Restarting")

	before = b.podUID()
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.Flavor = "nonesuch" })
	await(s, b.ds, "not accepted", func(d *v1.DevServer) bool {
		return hasReason(d, v1.ConditionAccepted, v1.ReasonFlavorNotFound) && d.Status.Phase == v1.PhaseRunning
	})
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.Flavor = s.flavor })
	await(s, b.ds, "accepted again", func(d *v1.DevServer) bool { return hasReason(d, v1.ConditionAccepted, v1.ReasonApplied) })
	if b.podUID() != before {
		s.Error("a bad edit and its rollback restarted the server")
	}

	at := metav1.Now()
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.RestartedAt = &at })
	b.restarted(before).want("cat ~/file", "kept")
}

func hasReason(d *v1.DevServer, condition, reason string) bool {
	for _, c := range d.Status.Conditions {
		if c.Type == condition {
			return c.Reason == reason
		}
	}
	return false
}

// TestKeysWithinSeconds: the operator sends changed keys to the running server,
// before the kubelet updates the Secret in the pod, which takes a minute or two.
// Sessions of a revoked key are disconnected.
func TestKeysWithinSeconds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	owner := "user@" + s.ns
	second := s.newKey("second", "ed25519")
	ds := s.devServer("other")
	ds.Spec.Owner = owner
	o := s.start(ds)

	hanging := b.client.Command(b.bounded(), nil, "echo up; exec sleep infinity")
	out, err := hanging.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := hanging.Start(); err != nil {
		s.Fatal(err)
	}
	s.line(out)
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.SSH.PublicKey = second.Public })
	// The server disconnects it.
	if err := hanging.Wait(); err == nil || !strings.Contains(err.Error(), "255") {
		s.Errorf("the session of a revoked key ends with %v", err)
	}
	s.login(b.ds, second).want("whoami", "dev")
	secret := &corev1.Secret{ObjectMeta: s.named(objects.SecretName(b.ds.Name))}
	s.get(secret)
	if keys := string(secret.Data[agentapi.AuthorizedKeysFile]); strings.Count(keys, "\n") != 1 {
		s.Errorf("the Secret has the keys %q, want one", keys)
	}

	user := &v1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}
	user.Spec = v1.DevServerUserSpec{Username: s.ns, Owner: owner, PublicKeys: []string{second.Public}}
	s.create(user)
	s.Cleanup(func() { remove(s.T, s.c, user) })
	theirs := s.login(o.ds, second)
	s.eventually("the key of the DevServerUser opens the server", func() bool { return theirs.try("true").Code == 0 })
	s.delete(user)
	s.eventually("it no longer does", func() bool { return theirs.try("true").Code == 255 })
	o.want("whoami", "dev")
}

// TestVolumes: the volumes of flavor and DevServer are mounted, read-only if so
// specified. A volume of the DevServer replaces one of the flavor at the same path.
func TestVolumes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.newShared("data")
	s.newShared("own")
	flavor := s.newFlavor(s.flavor+"-volumes", func(f *v1.DevServerFlavorSpec) {
		f.Volumes = []v1.VolumeMount{{ClaimName: "data", MountPath: "/data"}, {ClaimName: "data", MountPath: "/models", ReadOnly: true}}
	})
	ds := s.devServer("server")
	ds.Spec.Flavor = flavor.Name
	b := s.start(ds)
	b.want("echo 1 > /data/file && cat /models/file", "1")
	if r := b.try("echo 2 > /models/file"); r.Code == 0 || !strings.Contains(r.Stderr, "Read-only file system") {
		s.Errorf("writing to a read-only volume: %+v", r)
	}
	before := b.podUID()
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.Volumes = []v1.VolumeMount{{ClaimName: "own", MountPath: "/data/"}} })
	b.restarted(before).want("ls /data | wc -l; cat /models/file", "0\n1")
}

// TestHomes: a home can be deleted with its DevServer, be an existing claim, or be
// ephemeral, which means that it is deleted with the pod.
func TestHomes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("deleted")
	ds.Spec.Home = &v1.HomeSpec{RetentionPolicy: v1.HomeDelete}
	b := s.start(ds)
	s.delete(b.ds)
	s.awaitGone(&corev1.PersistentVolumeClaim{ObjectMeta: s.named("home-deleted-0")})

	first := s.start(s.devServer("first"))
	first.sh("echo moved > ~/file")
	s.delete(first.ds)
	s.awaitGone(first.pod())
	ds = s.devServer("second")
	ds.Spec.Home = &v1.HomeSpec{ClaimName: "home-first-0"}
	s.start(ds).want("cat ~/file", "moved")

	ds = s.devServer("ephemeral")
	ds.Spec.Home = &v1.HomeSpec{Ephemeral: true}
	b = s.start(ds)
	b.want("echo x > ~/file; whoami; stat -c %a ~", "dev\n700")
	b.absent(&corev1.PersistentVolumeClaim{ObjectMeta: s.named("home-ephemeral-0")})
	before := b.podUID()
	s.delete(b.pod())
	b.restarted(before).want("ls ~ | wc -l", "0")
}

// TestOwnUID: the server of a user with a uid runs with that uid, so that the user
// owns their files on a shared volume.
func TestOwnUID(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.newShared("shared")
	owner := "alice@" + s.ns
	user := &v1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}
	user.Spec = v1.DevServerUserSpec{Username: s.ns, Owner: owner, UID: 20017, PublicKeys: []string{s.key.Public}}
	s.create(user)
	s.Cleanup(func() { remove(s.T, s.c, user) })
	// The server is not in the owner's namespace, so the operator must have seen the
	// DevServerUser first.
	await(s, user, "Ready", userReady)
	ds := s.devServer("server")
	ds.Spec.Owner, ds.Spec.SharedVolumeClaimName = owner, "shared"
	s.start(ds).want("id -un; id -u; id -g; touch /shared/f; stat -c %u:%g /shared/f ~; ls -ld ~ | cut -d' ' -f3", "dev\n20017\n20017\n20017:20017\n20017:20017\ndev")
}

// TestOverlay: a flavor's podTemplate is merged into the pod.
func TestOverlay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	flavor := s.newFlavor(s.flavor+"-overlay", func(f *v1.DevServerFlavorSpec) {
		f.PodTemplate = raw(`{"spec":{"hostAliases":[{"ip":"192.0.2.7","hostnames":["registry.internal"]}]}}`)
	})
	ds := s.devServer("server")
	ds.Spec.Flavor = flavor.Name
	s.start(ds).want("getent hosts registry.internal | cut -d' ' -f1", "192.0.2.7")
}
