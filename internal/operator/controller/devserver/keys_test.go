package devserver_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

const otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ2lYzXbCVZ2PKQYzN9m4m0yVvVpKzYxk3Rj0e7mVnB second"

// running makes a running server.
func (w *world) running() {
	w.t.Helper()
	w.flavor()
	w.create(w.devServer())
	w.settled()
	w.startPod()
	w.settled()
}

// A running agent receives new keys once, and nothing otherwise.
func TestKeysArePushed(t *testing.T) {
	w := newWorld(t)
	w.running()
	if len(w.agent.pushed) > 0 {
		t.Errorf("the agent of a new server receives %q, want nothing", w.agent.pushed)
	}
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKey = otherKey })
	w.settled()
	if want := "10.0.0.9:2223 " + otherKey + "\n"; len(w.agent.pushed) != 1 || w.agent.pushed[0] != want {
		t.Errorf("the agent receives %q, want %q", w.agent.pushed, want)
	}
}

// The keys are pushed a few times to an agent that does not answer. A later change
// starts the count again. Until then, the StatefulSet has the hash of the Secret before.
func TestKeysArePushedAgain(t *testing.T) {
	w := newWorld(t)
	w.running()
	before := w.secretHash()
	w.agent.refusesKeys = errors.New("no route")
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKey = otherKey })
	for push := 1; push <= 5; push++ {
		w.reconcile()
		w.reconcile()
		if w.agent.pushes != push || (w.secretHash() != before) != (push == 5) {
			t.Errorf("the agent got %d pushes, want %d; recorded as delivered: %t", w.agent.pushes, push, w.secretHash() != before)
		}
		w.clock.SetTime(w.clock.Now().Add(time.Second << push))
	}
	w.settled()
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKeys = []string{publicKey} })
	w.reconcile()
	if w.agent.pushes != 6 {
		t.Errorf("a later change makes %d pushes, want 1", w.agent.pushes-5)
	}
}

// secretHash returns the hash of the Secret that the StatefulSet records.
func (w *world) secretHash() string {
	w.t.Helper()
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	return set.Annotations[objects.AnnotationSecretHash]
}

// An operator that starts before the agent has its new keys pushes them again.
func TestRestartBeforeTheKeysArePushed(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.agent.refusesKeys = errors.New("no route")
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKey = otherKey })
	w.reconcile()
	w.restartOperator()
	w.agent.refusesKeys = nil
	w.settled()
	if want := "10.0.0.9:2223 " + otherKey + "\n"; w.lastPush() != want {
		t.Errorf("the agent received %q, want %q", w.agent.pushed, want)
	}
	w.restartOperator()
	if _, writes := w.reconcile(); len(writes) > 0 || len(w.agent.pushed) != 1 {
		t.Errorf("an operator that starts after that writes %v, and pushes %d times", writes, len(w.agent.pushed)-1)
	}
}

// The keys of a server that becomes Ready only later are pushed then.
func TestKeysWaitForTheServer(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.setSSH(func(s *corev1.ContainerStatus) { s.Ready = false })
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKey = otherKey })
	w.settled()
	if len(w.agent.pushed) > 0 {
		t.Errorf("the agent of a server that is not ready receives %q", w.agent.pushed)
	}
	w.setSSH(func(s *corev1.ContainerStatus) { s.Ready = true })
	w.settled()
	if want := "10.0.0.9:2223 " + otherKey + "\n"; w.lastPush() != want {
		t.Errorf("the agent received %q, want %q", w.agent.pushed, want)
	}
}

// A removed key stops working even if the flavor does not exist.
func TestRevocationNeedsNoFlavor(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.Flavor, s.SSH.PublicKey = "nonesuch", otherKey })
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonFlavorNotFound, "")
	if got := w.authorizedKeys(); got != otherKey+"\n" || len(w.agent.pushed) != 1 {
		t.Errorf("authorized_keys is %q, and the agent received %q", got, w.agent.pushed)
	}
}

// authorizedKeys returns the keys in the server's Secret.
func (w *world) authorizedKeys() string {
	w.t.Helper()
	secret := &corev1.Secret{}
	w.get(secret, "trainer-ssh")
	return string(secret.Data["authorized_keys"])
}

// A removed key stops working even if the key that replaces it does not decode, and
// even if no usable key is left.
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
			if want := "10.0.0.9:2223 " + test.want; len(w.agent.pushed) != 1 || w.agent.pushed[0] != want {
				t.Errorf("the agent received %q, want %q", w.agent.pushed, want)
			}
		})
	}
}

// A removed key stops working even if the pass fails later.
func TestRevocationBeforeFailingDependency(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKey = otherKey })
	w.failGet = func(o client.Object) error {
		if _, ok := o.(*devv1.DevServerFlavor); ok {
			return errors.New("the API server does not answer")
		}
		return nil
	}
	if _, err := w.passes(); err == nil {
		t.Error("the pass did not fail")
	}
	if got := w.authorizedKeys(); got != otherKey+"\n" || len(w.agent.pushed) != 1 {
		t.Errorf("authorized_keys is %q, and the agent received %q", got, w.agent.pushed)
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

// A conflict at the Secret leads to another pass, even if a dependency is missing. It is
// not an error.
func TestConflictAtTheSecret(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.Flavor, s.SSH.PublicKey = "nonesuch", otherKey })
	w.failWrite = func(what string) error {
		if strings.Contains(what, "Secret") {
			return apierrors.NewConflict(corev1.Resource("secrets"), "trainer-ssh", errors.New("the object has been modified"))
		}
		return nil
	}
	if result, _ := w.reconcile(); result.RequeueAfter != time.Second {
		t.Errorf("the pass requeues after %s, want 1s", result.RequeueAfter)
	}
	w.failWrite = nil
	w.settled()
	if got := w.authorizedKeys(); got != otherKey+"\n" {
		t.Errorf("authorized_keys is %q", got)
	}
}

// The keys of the owner's DevServerUser are authorized, each once, until it is deleted.
// One that does not decode is left out, and the others work.
func TestKeysOfTheUser(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	owner := "user@" + w.ns
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.Owner = owner }))
	user := w.user("alice", owner, func(u *devv1.DevServerUser) {
		u.Spec.PublicKeys = []string{otherKey, publicKey, undecodableKey}
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
	if got := w.authorizedKeys(); got != publicKey+"\n" || len(w.agent.pushed) != 1 {
		t.Errorf("after the DevServerUser was deleted, authorized_keys is %q, and the agent received %q", got, w.agent.pushed)
	}
}
