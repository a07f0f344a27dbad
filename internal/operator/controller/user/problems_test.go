package user_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
)

// An existing namespace is not changed until an admin hands it over.
func TestForeignNamespace(t *testing.T) {
	for name, annotations := range map[string]map[string]string{
		"no owner":      nil,
		"another owner": {"devserver.io/owner": "other@example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			foreign := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
				Name: w.ns(), Annotations: annotations, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "baseline"},
			}}
			w.create(foreign)
			w.user(limited)
			u := w.settled()
			command := "kubectl annotate --overwrite namespace " + w.ns() + " devserver.io/owner=" + w.owner()
			w.wantReady(u, metav1.ConditionFalse, devv1.ReasonNamespaceConflict, command)
			if u.Status.Namespace != "" {
				t.Errorf("status.namespace is %q", u.Status.Namespace)
			}
			w.wantEvents(1)
			if result, _ := w.pass(w.name); result.RequeueAfter != 30*time.Second {
				t.Errorf("the pass requeues after %s, want 30s", result.RequeueAfter)
			}
			ns := w.namespace()
			if ns.ResourceVersion != foreign.ResourceVersion {
				t.Errorf("the namespace was written: %+v", ns)
			}
			w.absent(&rbacv1.RoleBinding{}, "devserver-user")
			w.absent(&corev1.ResourceQuota{}, "devserver-user")

			metav1.SetMetaDataAnnotation(&ns.ObjectMeta, "devserver.io/owner", w.owner())
			w.update(ns)
			if u := w.settled(); u.Status.Namespace != w.ns() {
				t.Errorf("after the namespace was handed over, the status is %+v", u.Status)
			}
			w.get(&rbacv1.RoleBinding{}, "devserver-user")
			if ns = w.namespace(); ns.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
				t.Errorf("after the namespace was handed over, its labels are %v", ns.Labels)
			}
		})
	}
}

// A user loses all rights in a namespace that an admin gives to another owner.
func TestNamespaceTakenAway(t *testing.T) {
	w := newWorld(t)
	w.user(limited)
	w.settled()
	ns := w.namespace()
	ns.Annotations["devserver.io/owner"] = "other@example.com"
	w.update(ns)
	u := w.settled()
	w.wantReady(u, metav1.ConditionFalse, devv1.ReasonNamespaceConflict, "")
	if u.Status.Namespace != "" {
		t.Errorf("status.namespace is %q", u.Status.Namespace)
	}
	w.absent(&rbacv1.RoleBinding{}, "devserver-user")
	w.absent(&corev1.ResourceQuota{}, "devserver-user")
}

// If another owner's object has one of the names, it is not changed. The user gets no
// rights without the limits.
func TestForeignObjects(t *testing.T) {
	meta := metav1.ObjectMeta{Name: "devserver-user"}
	for name, foreign := range map[string]client.Object{
		// Neither has a field that conflicts with the operator's.
		"quota":  &corev1.ResourceQuota{ObjectMeta: meta, Spec: corev1.ResourceQuotaSpec{Hard: list("pods", "5")}},
		"limits": &corev1.LimitRange{ObjectMeta: meta},
		"role": &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "devserver-user"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			foreign := foreign.DeepCopyObject().(client.Object)
			foreign.SetNamespace(w.ns())
			w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns(), Annotations: map[string]string{"devserver.io/owner": w.owner()}}}, foreign)
			before := foreign.GetResourceVersion()
			w.user(limited)
			w.wantReady(w.settled(), metav1.ConditionFalse, devv1.ReasonUserObjectConflict, "devserver-user exists and belongs to another owner")
			if w.get(foreign, foreign.GetName()); foreign.GetResourceVersion() != before {
				t.Errorf("another owner's object was written: %+v", foreign)
			}
			if _, isRole := foreign.(*rbacv1.RoleBinding); !isRole {
				w.absent(&rbacv1.RoleBinding{}, "devserver-user")
			}
			if result, _ := w.pass(w.name); result.RequeueAfter != 30*time.Second {
				t.Errorf("the pass requeues after %s, want 30s", result.RequeueAfter)
			}
		})
	}
}

// Of two DevServerUsers with the same user name or the same owner, the younger waits
// until the older is deleted.
func TestUsernameTaken(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*devv1.DevServerUser)
		part string
	}{
		"user name": {func(u *devv1.DevServerUser) { u.Spec.Owner = "other-" + u.Spec.Owner }, "the same spec.username "},
		"owner":     {func(u *devv1.DevServerUser) { u.Spec.Username = "other-" + u.Spec.Username }, "the same spec.owner "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			elder := w.user()
			younger := w.user(func(u *devv1.DevServerUser) {
				u.Name += "-younger" // If both are of the same second, the name decides.
				c.edit(u)
			})
			u := w.settledFor(younger.Name)
			w.wantReady(u, metav1.ConditionFalse, devv1.ReasonUsernameTaken, "The DevServerUser "+elder.Name+", which is older, has "+c.part)
			if u.Status.Namespace != "" {
				t.Errorf("status.namespace is %q", u.Status.Namespace)
			}
			w.wantReady(w.settled(), metav1.ConditionTrue, devv1.ReasonProvisioned, "")
			w.wantEvents(1)

			w.delete(elder)
			u = w.settledFor(younger.Name)
			if name == "owner" {
				w.wantReady(u, metav1.ConditionTrue, devv1.ReasonProvisioned, "")
			} else { // The namespace still belongs to the other owner.
				w.wantReady(u, metav1.ConditionFalse, devv1.ReasonNamespaceConflict, "")
			}
		})
	}
}

// The key has the right form, so the API server accepts it, but it does not decode.
// The user still gets the namespace and the role.
func TestUndecodableKey(t *testing.T) {
	w := newWorld(t)
	w.user(func(u *devv1.DevServerUser) {
		u.Spec.PublicKeys = []string{publicKey, "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB"}
	})
	u := w.settled()
	w.wantReady(u, metav1.ConditionFalse, devv1.ReasonUserInvalidKey, "spec.publicKeys[1]")
	if u.Status.Namespace != w.ns() {
		t.Errorf("status.namespace is %q", u.Status.Namespace)
	}
	w.get(&rbacv1.RoleBinding{}, "devserver-user")
	w.edit(w.name, func(u *devv1.DevServerUser) { u.Spec.PublicKeys = u.Spec.PublicKeys[:1] })
	w.wantReady(w.settled(), metav1.ConditionTrue, devv1.ReasonProvisioned, "")
}

// If the API server refuses a limit, the condition has its message, and the user gets no
// rights without the limit.
func TestRefusedLimit(t *testing.T) {
	w := newWorld(t)
	w.user(limited, func(u *devv1.DevServerUser) { u.Spec.LimitRange[0].Max = list("gpus", "8") })
	w.wantReady(w.refused(), metav1.ConditionFalse, devv1.ReasonUserRefused, "gpus")
	w.get(&corev1.ResourceQuota{}, "devserver-user")
	w.absent(&rbacv1.RoleBinding{}, "devserver-user")
	w.wantEvents(1)
	w.edit(w.name, func(u *devv1.DevServerUser) { u.Spec.LimitRange = nil })
	w.settled()
	w.get(&rbacv1.RoleBinding{}, "devserver-user")
}

func TestNamespaceBeingDeleted(t *testing.T) {
	w := newWorld(t)
	w.user()
	w.settled()
	w.delete(w.namespace()) // It stays Terminating: no controller empties it here.
	w.wantReady(w.settled(), metav1.ConditionFalse, devv1.ReasonNamespaceTerminating, w.ns())
}
