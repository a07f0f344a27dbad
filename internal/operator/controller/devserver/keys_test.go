package devserver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
)

const otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ2lYzXbCVZ2PKQYzN9m4m0yVvVpKzYxk3Rj0e7mVnB second"

// deliver stands in for the agents, and returns what they were told.
func (w *world) capturePushes(answer func() error) *[]string {
	var told []string
	w.r.PushKeys = func(_ context.Context, address string, in desired.Input) error {
		if answer != nil {
			if err := answer(); err != nil {
				return err
			}
		}
		told = append(told, address+" "+string(desired.AuthorizedKeys(in)))
		return nil
	}
	return &told
}

func (w *world) running() {
	w.t.Helper()
	w.flavor()
	w.create(w.devServer())
	w.settled()
	w.startPod()
	w.settled()
}

// A running agent is told its new keys once, and no agent otherwise.
func TestKeysArePushed(t *testing.T) {
	w := newWorld(t)
	told := w.capturePushes(nil)
	w.running()
	if len(*told) > 0 {
		t.Errorf("an agent is told what its Secret has: %q", *told)
	}
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKey = otherKey })
	w.settled()
	if want := "10.0.0.9:2223 " + otherKey + "\n"; len(*told) != 1 || (*told)[0] != want {
		t.Errorf("the agent is told %q, want %q", *told, want)
	}
}

// An agent that does not answer is tried a few times, and a later change anew.
func TestKeysArePushedAgain(t *testing.T) {
	w := newWorld(t)
	var attempts int
	w.capturePushes(func() error { attempts++; return errors.New("no route") })
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKey = otherKey })
	var waits []time.Duration
	for range 10 {
		result, _ := w.reconcile()
		waits = append(waits, result.RequeueAfter)
	}
	if attempts != 5 || waits[0] != 2*time.Second || waits[1] != 4*time.Second || waits[9] != 0 {
		t.Errorf("%d attempts, with waits of %v", attempts, waits)
	}
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKeys = []string{publicKey} })
	w.reconcile()
	if attempts != 6 {
		t.Errorf("a later change makes %d attempts, want 1", attempts-5)
	}
}

// A revoked key goes, whatever else is wrong with the DevServer.
func TestRevocationNeedsNoFlavor(t *testing.T) {
	w := newWorld(t)
	told := w.capturePushes(nil)
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.Flavor, s.SSH.PublicKey = "nonesuch", otherKey })
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonFlavorNotFound, "")
	if got := w.authorizedKeys(); got != otherKey+"\n" || len(*told) != 1 {
		t.Errorf("authorized_keys is %q, and the agent was given %q", got, *told)
	}
}

// authorizedKeys is what the Secret of the server holds.
func (w *world) authorizedKeys() string {
	w.t.Helper()
	secret := &corev1.Secret{}
	w.get(secret, "trainer-ssh")
	return string(secret.Data["authorized_keys"])
}

const undecodableKey = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB"

// A removed key stops working also where the key that replaces it does not
// decode, and where no usable key is left.
func TestRevocationBesideUndecodableKey(t *testing.T) {
	for name, test := range map[string]struct {
		before, after []string
		want          string
	}{
		"another is left": {[]string{publicKey, otherKey}, []string{undecodableKey, otherKey}, otherKey + "\n"},
		"none is left":    {[]string{publicKey}, []string{undecodableKey}, "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			told := w.capturePushes(nil)
			w.flavor()
			w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.SSH.PublicKey, d.Spec.SSH.PublicKeys = "", test.before }))
			w.settled()
			w.startPod()
			w.settled()
			w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKeys = test.after })
			w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonInvalidKey, "spec.ssh.publicKeys[0]")
			if got := w.authorizedKeys(); got != test.want {
				t.Errorf("authorized_keys is %q, want %q", got, test.want)
			}
			if want := "10.0.0.9:2223 " + test.want; len(*told) != 1 || (*told)[0] != want {
				t.Errorf("the agent was given %q, want %q", *told, want)
			}
		})
	}
}

// A removed key stops working although the pass fails after it.
func TestRevocationBeforeFailingDependency(t *testing.T) {
	w := newWorld(t)
	told := w.capturePushes(nil)
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKey = otherKey })
	w.failGet = func(o client.Object) error {
		if _, ok := o.(*devv1.DevServerFlavor); ok {
			return errors.New("the API server does not answer")
		}
		return nil
	}
	if _, err := w.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: w.key()}); err == nil {
		t.Error("the pass did not fail")
	}
	if got := w.authorizedKeys(); got != otherKey+"\n" || len(*told) != 1 {
		t.Errorf("authorized_keys is %q, and the agent was given %q", got, *told)
	}
}

func (w *world) user(name, owner string, edits ...func(*devv1.DevServerUser)) *devv1.DevServerUser {
	w.t.Helper()
	u := &devv1.DevServerUser{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-" + w.ns},
		Spec:       devv1.DevServerUserSpec{Username: name, Owner: owner, PublicKeys: []string{otherKey}},
	}
	for _, edit := range edits {
		edit(u)
	}
	w.create(u)
	w.t.Cleanup(func() { _ = w.c.Delete(context.Background(), u) })
	return u
}

// The keys of the owner's DevServerUser open the server, each once, and cease to
// with it; a broken one there keeps nobody out.
func TestKeysOfTheUser(t *testing.T) {
	w := newWorld(t)
	told := w.capturePushes(nil)
	w.flavor()
	owner := "user@" + w.ns
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.Owner = owner }))
	user := w.user("alice", owner, func(u *devv1.DevServerUser) {
		u.Spec.PublicKeys = []string{otherKey, publicKey, "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB"}
	})
	w.user("bob", "somebody@else")
	w.settled()
	w.startPod()
	w.settled()
	if got, want := w.authorizedKeys(), publicKey+"\n"+otherKey+"\n"; got != want {
		t.Errorf("authorized_keys is %q, want %q", got, want)
	}
	if err := w.c.Delete(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	w.settled()
	if got := w.authorizedKeys(); got != publicKey+"\n" || len(*told) != 1 {
		t.Errorf("without the user authorized_keys is %q, and the agent was told %q", got, *told)
	}
}
