package gateway

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/sshkeys"
	"devserver.io/devserver/internal/testing/sshserver"
)

func TestDirectoryFollowsDevServers(t *testing.T) {
	alice, bob := sshserver.NewKey(t), sshserver.NewKey(t)

	put := func(address string, keys ...ssh.Signer) func(toolscache.ResourceEventHandler) {
		return func(h toolscache.ResourceEventHandler) { h.OnAdd(running(address, "10.0.0.1", keys...), false) }
	}
	update := func(address string, keys ...ssh.Signer) func(toolscache.ResourceEventHandler) {
		return func(h toolscache.ResourceEventHandler) {
			h.OnUpdate(running(address, "10.0.0.1"), running(address, "10.0.0.1", keys...))
		}
	}
	remove := func(object any) func(toolscache.ResourceEventHandler) {
		return func(h toolscache.ResourceEventHandler) { h.OnDelete(object) }
	}
	cases := map[string]struct {
		reason  string
		events  []func(toolscache.ResourceEventHandler)
		alice   []string
		bob     []string
		revoked []string
	}{
		"Add": {
			reason: "each key opens the servers that list it, in order",
			events: []func(toolscache.ResourceEventHandler){put("b.team", alice), put("a.team", alice, bob), put("c.lab", bob)},
			alice:  []string{"a.team", "b.team"},
			bob:    []string{"c.lab", "a.team"},
		},
		"KeyTakenAway": {
			reason:  "a key that is no longer listed no longer opens the server, and its tunnels must end",
			events:  []func(toolscache.ResourceEventHandler){put("a.team", alice, bob), update("a.team", alice)},
			alice:   []string{"a.team"},
			revoked: []string{"a.team"},
		},
		"KeyReplaced": {
			reason:  "the new key opens it at once",
			events:  []func(toolscache.ResourceEventHandler){put("a.team", alice), update("a.team", bob)},
			bob:     []string{"a.team"},
			revoked: []string{"a.team"},
		},
		"Unchanged": {
			reason: "an update of something else revokes nothing",
			events: []func(toolscache.ResourceEventHandler){put("a.team", alice), update("a.team", alice)},
			alice:  []string{"a.team"},
		},
		"Deleted": {
			reason:  "no key opens a deleted server",
			events:  []func(toolscache.ResourceEventHandler){put("a.team", alice), put("b.team", alice), remove(running("a.team", "10.0.0.1", alice))},
			alice:   []string{"b.team"},
			revoked: []string{"a.team"},
		},
		"DeletedUnseen": {
			reason:  "a deletion during an interrupted watch comes without the last state",
			events:  []func(toolscache.ResourceEventHandler){put("a.team", alice), remove(toolscache.DeletedFinalStateUnknown{Key: "team/a"})},
			revoked: []string{"a.team"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := newDirectory()
			var revoked []string
			d.revoked = func(names []types.NamespacedName) {
				for _, name := range names {
					revoked = append(revoked, address(name))
				}
			}
			for _, event := range tc.events {
				event(devServerHandler(d))
			}
			if diff := cmp.Diff(tc.alice, addresses(d.list(holder(alice)))); diff != "" {
				t.Errorf("%s: alice's servers (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.bob, addresses(d.list(holder(bob)))); diff != "" {
				t.Errorf("%s: bob's servers (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.revoked, revoked); diff != "" {
				t.Errorf("%s: revoked (-want +got):\n%s", tc.reason, diff)
			}
			if got, want := d.knows(holder(bob)), len(tc.bob) > 0; got != want {
				t.Errorf("%s: knows(bob) = %v, want %v", tc.reason, got, want)
			}
		})
	}
}

func TestDirectoryReadsBothKeyFieldsAndSkipsBadKeys(t *testing.T) {
	owner, mate := sshserver.NewKey(t), sshserver.NewKey(t)
	ds := running("a.team", "10.0.0.1", mate)
	ds.Spec.SSH.PublicKey = string(ssh.MarshalAuthorizedKey(owner.PublicKey()))[:80]
	ds.Spec.SSH.PublicKeys = append(ds.Spec.SSH.PublicKeys, `command="x" `+ds.Spec.SSH.PublicKeys[0], "ssh-rsa AAAA")
	if got, want := devServerOf(ds).own, (keySet{keyOf(owner): true, keyOf(mate): true}); !cmp.Equal(got, want) {
		t.Errorf("keys (-want +got):\n%s", cmp.Diff(want, got))
	}
}

func TestStateSaysWhy(t *testing.T) {
	cases := map[string]struct {
		change func(*devserverv1.DevServer)
		want   string
	}{
		"New": {
			change: func(ds *devserverv1.DevServer) { ds.Status = devserverv1.DevServerStatus{} },
			want:   "DevServer a.team is New: the operator has not looked at it yet",
		},
		"Pending": {
			change: func(ds *devserverv1.DevServer) { pending(ds, `flavor "huge" does not exist`) },
			want:   `DevServer a.team is Pending: flavor "huge" does not exist`,
		},
		"NoCondition": {
			change: func(ds *devserverv1.DevServer) { ds.Status.Phase = devserverv1.PhaseTerminating },
			want:   "DevServer a.team is Terminating",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ds := running("a.team", "10.0.0.1")
			tc.change(ds)
			if diff := cmp.Diff(tc.want, devServerOf(ds).state()); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}
}

// holder is the identity of a client that has proven the key, and nothing else.
func holder(key ssh.Signer) identity { return identity{key: keyOf(key)} }

func keyOf(signer ssh.Signer) fingerprint {
	return fingerprint(sshkeys.Fingerprint(signer.PublicKey()))
}

func addresses(all []devServer) []string {
	var names []string
	for d := range slices.Values(all) {
		names = append(names, d.address())
	}
	return names
}

// What why says about the home directory depends on spec.home.
func TestStripKeepsTheHome(t *testing.T) {
	ds := running("a.team", "10.0.0.1")
	ds.Spec.Home = &devserverv1.HomeSpec{Ephemeral: true}
	ds.Spec.Image = "pytorch:2"
	strip(ds)
	if ds.Spec.Home == nil || !ds.Spec.Home.Ephemeral {
		t.Error("the home is missing")
	}
	if ds.Spec.Image != "" {
		t.Error("the image, which the gateway does not read, is kept")
	}
}
