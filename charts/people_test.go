package charts_test

import (
	"context"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/controller/user"
	"devserver.io/devserver/internal/testing/apiserver"
)

// TestPersonsRights: a person has exactly the permissions that using DevServers
// requires, and only in their own namespace.
func TestPersonsRights(t *testing.T) {
	const alice = "alice@example.com"
	install(t, roles)
	ns, other := apiserver.Namespace(t), apiserver.Namespace(t)
	member(t, ns, alice)
	may := func(namespace, group, resource, verb string) bool {
		t.Helper()
		resource, sub, _ := strings.Cut(resource, "/")
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: alice, Groups: []string{"system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Group: group, Resource: resource, Subresource: sub, Verb: verb},
		}}
		if err := apiserver.Client(t).Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	all := []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	for resource, allowed := range map[string]string{
		"devserver.io/devservers":                "get list watch create update patch delete",
		"devserver.io/devservers/status":         "",
		"devserver.io/devserverusers":            "",
		"/pods":                                  "get list watch delete",
		"/pods/log":                              "get",
		"/pods/portforward":                      "get create",
		"/pods/exec":                             "",
		"/pods/attach":                           "",
		"/pods/ephemeralcontainers":              "",
		"/events":                                "get list watch",
		"events.k8s.io/events":                   "get list watch",
		"/persistentvolumeclaims":                "get list watch create delete",
		"coordination.k8s.io/leases":             "get list watch create update patch",
		"/resourcequotas":                        "get list watch",
		"/limitranges":                           "get list watch",
		"/services":                              "get list watch",
		"/secrets":                               "",
		"/serviceaccounts":                       "",
		"/serviceaccounts/token":                 "",
		"apps/statefulsets":                      "",
		"rbac.authorization.k8s.io/roles":        "",
		"rbac.authorization.k8s.io/rolebindings": "",
	} {
		group, name, _ := strings.Cut(resource, "/")
		for _, verb := range all {
			want := strings.Contains(" "+allowed+" ", " "+verb+" ")
			if got := may(ns, group, name, verb); got != want {
				t.Errorf("%s %s in their namespace: %t, want %t", verb, resource, got, want)
			}
			if may(other, group, name, verb) {
				t.Errorf("%s %s in another namespace is allowed", verb, resource)
			}
		}
	}
	for _, verb := range all {
		read := verb == "get" || verb == "list" || verb == "watch"
		if got := may("", "devserver.io", "devserverflavors", verb); got != read {
			t.Errorf("%s devserverflavors: %t, want %t", verb, got, read)
		}
		if may("", "", "namespaces", verb) || may(ns, "", "namespaces", verb) {
			t.Errorf("%s namespaces is allowed", verb)
		}
	}
}

// TestOperatorsRights: with the chart's permissions, the operator can create everything
// that a person needs, and can bind only the roles that the admin lists.
func TestOperatorsRights(t *testing.T) {
	install(t, roles, "--set=rbac.bindableClusterRoles={read-secrets}")
	admin := apiserver.Client(t)
	// Not view or edit: without a controller that aggregates roles, they are empty.
	secrets := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}}
	extra := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "read-secrets"}, Rules: secrets}
	if err := admin.Create(t.Context(), extra); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Delete(context.Background(), extra) })
	operator := as(t, "system:serviceaccount:devserver-system:devserver-operator")
	r := &user.Reconciler{
		Client: operator, Recorder: events.NewFakeRecorder(100), Clock: clock.RealClock{},
		Applier: &apply.Applier{Client: operator, Live: operator},
	}
	name := apiserver.Namespace(t)
	u := &devv1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: devv1.DevServerUserSpec{
		Username: name, Owner: name + "@example.com",
		Quota:      corev1.ResourceList{"pods": resource.MustParse("5")},
		LimitRange: []devv1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{"cpu": resource.MustParse("5")}}},
		Roles:      []devv1.RoleReference{{Kind: "ClusterRole", Name: "read-secrets"}},
	}}
	if err := admin.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Delete(context.Background(), u) })
	pass := func() error {
		_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: name}})
		return err
	}
	if err := pass(); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{}
	key := types.NamespacedName{Namespace: "dev-" + name, Name: "devserver-user-clusterrole-read-secrets"}
	if err := admin.Get(t.Context(), key, binding); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		ref   devv1.RoleReference
		words string
	}{
		{devv1.RoleReference{Kind: "ClusterRole", Name: "cluster-admin"}, `"devserver-user-clusterrole-cluster-admin": the operator may not bind this role. List a ClusterRole in the chart's value rbac.bindableClusterRoles`},
		{devv1.RoleReference{Kind: "Role", Name: "strong"}, `"devserver-user-role-strong": the operator may not bind this role.`},
		{devv1.RoleReference{Kind: "Role", Name: "missing"}, `"missing" not found`},
	} {
		if c.ref.Name == "strong" {
			strong := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "strong", Namespace: key.Namespace}, Rules: secrets}
			if err := admin.Create(t.Context(), strong); err != nil {
				t.Fatal(err)
			}
		}
		patch := client.MergeFrom(u.DeepCopy())
		u.Spec.Roles = []devv1.RoleReference{c.ref}
		if err := admin.Patch(t.Context(), u, patch); err != nil {
			t.Fatal(err)
		}
		if err := pass(); err == nil {
			t.Fatalf("%+v is bound", c.ref)
		}
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
			t.Fatal(err)
		}
		ready := meta.FindStatusCondition(u.Status.Conditions, devv1.ConditionReady)
		if ready.Reason != devv1.ReasonUserRefused || !strings.Contains(ready.Message, c.words) || strings.Contains(ready.Message, "\n") {
			t.Errorf("%+v: %s: %s\nwant %s", c.ref, ready.Reason, ready.Message, c.words)
		}
	}
	// A refused role does not remove other bindings. A role that was removed from the
	// spec is no longer bound.
	if err := admin.Get(t.Context(), types.NamespacedName{Namespace: key.Namespace, Name: "devserver-user"}, binding); err != nil {
		t.Error(err)
	}
	if err := admin.Get(t.Context(), key, binding); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the role is still bound (%v)", err)
	}
}
