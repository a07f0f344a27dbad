package user_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
)

// The first pass writes the namespace, the role and the status, and the second nothing.
func TestProvision(t *testing.T) {
	w := newWorld(t)
	w.user()
	if _, err := w.pass(w.name); err != nil {
		t.Fatal(err)
	}
	if len(w.writes) != 3 {
		t.Errorf("the first pass writes %v", w.writes)
	}
	u := w.settled()
	w.wantReady(u, metav1.ConditionTrue, devv1.ReasonProvisioned, w.ns())
	if u.Status.Namespace != w.ns() {
		t.Errorf("status.namespace is %q", u.Status.Namespace)
	}
	w.wantEvents(0)

	ns := w.namespace()
	if len(ns.OwnerReferences) > 0 || len(ns.Finalizers) > 0 {
		t.Errorf("the namespace is deleted with the DevServerUser: %+v", ns.ObjectMeta)
	}
	if ns.Annotations["devserver.io/owner"] != w.owner() {
		t.Errorf("the namespace's annotations are %v", ns.Annotations)
	}
	for label, want := range map[string]string{
		"app.kubernetes.io/managed-by":       "devserver-operator",
		"pod-security.kubernetes.io/enforce": "restricted",
		"pod-security.kubernetes.io/warn":    "restricted",
	} {
		if ns.Labels[label] != want {
			t.Errorf("the label %s is %q", label, ns.Labels[label])
		}
	}
	binding := &rbacv1.RoleBinding{}
	w.get(binding, "devserver-user")
	if !metav1.IsControlledBy(binding, u) {
		t.Errorf("the RoleBinding does not belong to the DevServerUser: %+v", binding.OwnerReferences)
	}
	want := rbacv1.RoleBinding{
		RoleRef:  rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "devserver-user"},
		Subjects: []rbacv1.Subject{{APIGroup: "rbac.authorization.k8s.io", Kind: "User", Name: w.owner()}},
	}
	if diff := cmp.Diff(want, rbacv1.RoleBinding{RoleRef: binding.RoleRef, Subjects: binding.Subjects}); diff != "" {
		t.Error(diff)
	}
}

func limited(u *devv1.DevServerUser) {
	u.Spec.Quota = list("count/devservers.devserver.io", "2", "requests.cpu", "1000m")
	u.Spec.LimitRange = []devv1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: list("cpu", "4"), DefaultRequest: list("memory", "1024Mi")}}
}

// The DevServerUser is Ready only once its quota counts. A limit that is removed from
// the spec is removed from the namespace; the admin's own objects stay.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.user(limited)
	w.wantReady(w.settled(), metav1.ConditionFalse, devv1.ReasonUserQuotaPending, "count/devservers.devserver.io, requests.cpu")
	w.count(list("count/devservers.devserver.io", "0", "requests.cpu", "0"))
	w.wantReady(w.settled(), metav1.ConditionTrue, devv1.ReasonProvisioned, "")
	w.wantEvents(0)

	limits := &corev1.LimitRange{}
	w.get(limits, "devserver-user")
	// The API server's defaults stay, and cause no write.
	if item := limits.Spec.Limits[0]; item.Default.Cpu().String() != "4" || item.DefaultRequest.Memory().String() != "1Gi" {
		t.Errorf("the limits are %+v", item)
	}
	w.edit(w.name, func(u *devv1.DevServerUser) { u.Spec.Quota = list("requests.cpu", "1") })
	w.settled()
	quota := &corev1.ResourceQuota{}
	w.get(quota, "devserver-user")
	if len(quota.Spec.Hard) != 1 {
		t.Errorf("a removed limit stays: %v", quota.Spec.Hard)
	}

	var manual []client.Object
	for name, labels := range map[string]map[string]string{"manual": nil, "labeled": quota.Labels} {
		meta := metav1.ObjectMeta{Name: name, Namespace: w.ns(), Labels: labels}
		manual = append(manual, &corev1.ResourceQuota{ObjectMeta: meta}, &corev1.LimitRange{ObjectMeta: meta})
	}
	w.create(manual...)
	w.edit(w.name, func(u *devv1.DevServerUser) { u.Spec.Quota, u.Spec.LimitRange = nil, nil })
	w.wantReady(w.settled(), metav1.ConditionTrue, devv1.ReasonProvisioned, "")
	w.absent(&corev1.ResourceQuota{}, "devserver-user")
	w.absent(&corev1.LimitRange{}, "devserver-user")
	for _, o := range manual {
		w.get(o, o.GetName())
	}
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "deploy", Namespace: w.ns()}}
	w.user()
	w.settled()
	w.create(role)
	w.edit(w.name, func(u *devv1.DevServerUser) {
		u.Spec.Roles = []devv1.RoleReference{{Kind: "ClusterRole", Name: "view"}, {Kind: "Role", Name: "deploy"}, {Kind: "ClusterRole", Name: "view"}}
	})
	w.wantReady(w.settled(), metav1.ConditionTrue, devv1.ReasonProvisioned, "")
	for name, kind := range map[string]string{"devserver-user-clusterrole-view": "ClusterRole", "devserver-user-role-deploy": "Role"} {
		binding := &rbacv1.RoleBinding{}
		w.get(binding, name)
		if binding.RoleRef.Kind != kind || len(binding.Subjects) != 1 || binding.Subjects[0].Name != w.owner() {
			t.Errorf("%s is %+v", name, binding)
		}
	}
	w.edit(w.name, func(u *devv1.DevServerUser) { u.Spec.Roles = u.Spec.Roles[1:2] })
	w.settled()
	w.absent(&rbacv1.RoleBinding{}, "devserver-user-clusterrole-view")
	w.get(&rbacv1.RoleBinding{}, "devserver-user-role-deploy")
	w.get(&rbacv1.RoleBinding{}, "devserver-user")
}

// The namespace has the Pod Security level of the DevServerUser.
func TestPodSecurityLevel(t *testing.T) {
	w := newWorld(t)
	w.user()
	w.settled()
	for level, label := range map[devv1.PodSecurityLevel]string{devv1.PodSecurityBaseline: "baseline", devv1.PodSecurityRestricted: "restricted"} {
		w.edit(w.name, func(u *devv1.DevServerUser) { u.Spec.PodSecurity = level })
		w.settled()
		labels := w.namespace().Labels
		for _, mode := range []string{"enforce", "warn"} {
			if got := labels["pod-security.kubernetes.io/"+mode]; got != label {
				t.Errorf("with podSecurity %s, %s is %q", level, mode, got)
			}
		}
	}
}

// Objects that were edited or deleted manually are restored.
func TestObjectsAreRestored(t *testing.T) {
	w := newWorld(t)
	w.user(limited)
	w.settled()

	ns := w.namespace()
	ns.Labels["pod-security.kubernetes.io/enforce"] = "privileged"
	delete(ns.Labels, "app.kubernetes.io/managed-by")
	ns.Annotations["theirs"] = "kept"
	w.update(ns)
	binding := &rbacv1.RoleBinding{}
	w.get(binding, "devserver-user")
	binding.Subjects[0].Name = "mallory@example.com"
	w.update(binding)
	quota := &corev1.ResourceQuota{}
	w.get(quota, "devserver-user")
	quota.Spec.Hard = list("requests.cpu", "1000")
	w.update(quota)
	limits := &corev1.LimitRange{}
	w.get(limits, "devserver-user")
	limits.Spec.Limits = nil
	w.update(limits)
	w.settled()

	if ns = w.namespace(); ns.Labels["pod-security.kubernetes.io/enforce"] != "restricted" || ns.Labels["app.kubernetes.io/managed-by"] == "" || ns.Annotations["theirs"] == "" {
		t.Errorf("the namespace is %+v", ns.ObjectMeta)
	}
	w.get(binding, "devserver-user")
	w.get(quota, "devserver-user")
	w.get(limits, "devserver-user")
	if binding.Subjects[0].Name != w.owner() || quota.Spec.Hard.Name("requests.cpu", "").String() != "1" || len(quota.Spec.Hard) != 2 || len(limits.Spec.Limits) != 1 {
		t.Errorf("the edited objects are %v, %v, %v", binding.Subjects, quota.Spec.Hard, limits.Spec.Limits)
	}

	for _, o := range []client.Object{binding, quota, limits} {
		w.delete(o)
	}
	w.settled()
	for _, o := range []client.Object{binding, quota, limits} {
		old := o.GetUID()
		if w.get(o, "devserver-user"); o.GetUID() == old {
			t.Errorf("%T was not deleted", o)
		}
	}
}

// While a DevServerUser is being deleted, its objects are not created again, because
// the garbage collector deletes them.
func TestBeingDeleted(t *testing.T) {
	w := newWorld(t)
	u := w.user(func(u *devv1.DevServerUser) { u.Finalizers = []string{"example.com/wait"} })
	t.Cleanup(func() {
		_ = w.c.Patch(t.Context(), u, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
	})
	w.settled()
	w.delete(u)
	binding := &rbacv1.RoleBinding{}
	w.get(binding, "devserver-user")
	w.delete(binding)
	w.settled()
	w.absent(binding, "devserver-user")
	w.namespace()
}
