package devserver

import (
	"bytes"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/sshkeys"
)

// A keyring gives the keys that are derived, whoever had a box of that name before.
func TestKeyringGivesTheOwnersKeys(t *testing.T) {
	master := bytes.Repeat([]byte("m"), 32)
	var ring keyring
	for _, owner := range []string{"alice", "alice", "bob", "alice"} {
		d := &devv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: boxKey.Namespace, Name: boxKey.Name}, Spec: devv1.DevServerSpec{Owner: owner}}
		want, err := sshkeys.Derive(master, d.Namespace, d.Name, owner)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ring.of(d, master)
		if err != nil || got.HostPublic != want.HostPublic || got.ControlToken != want.ControlToken {
			t.Errorf("the keys of %s are %q, want %q: %v", owner, got.HostPublic, want.HostPublic, err)
		}
		again, err := ring.of(d, master)
		if err != nil || &again.HostKeyPEM[0] != &got.HostKeyPEM[0] {
			t.Errorf("the keys of %s are derived anew: %v", owner, err)
		}
	}
	if ring.forget(boxKey); len(ring.boxes) > 0 {
		t.Errorf("the keys of a box that is gone are kept: %d", len(ring.boxes))
	}
	if _, err := ring.of(&devv1.DevServer{}, nil); err == nil || len(ring.boxes) > 0 {
		t.Errorf("without a master secret there are keys: %v", err)
	}
}
