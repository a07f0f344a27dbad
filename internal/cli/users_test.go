package cli

import (
	"context"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
)

// provisioned writes the status of a user as the operator does:
// provisioned USERNAME
func provisioned(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	var u devserverv1.DevServerUser
	ts.Check(s.client.Get(s.t.Context(), client.ObjectKey{Name: args[0]}, &u))
	u.Status.Namespace = "dev-" + u.Spec.Username
	meta.SetStatusCondition(&u.Status.Conditions, metav1.Condition{
		Type: devserverv1.ConditionReady, Status: metav1.ConditionTrue, Reason: devserverv1.ReasonProvisioned, Message: "The namespace exists.",
	})
	ts.Check(s.client.Status().Update(s.t.Context(), &u))
}

// personKey gives a key to the DevServerUser that person made, or to a new one
// with that owner: person-key FILE [OWNER]
func personKey(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	line, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	keys := []string{strings.TrimSpace(string(line))}
	if len(args) > 1 {
		u := &devserverv1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: s.ns + "-owner"}}
		u.Spec.Username, u.Spec.Owner, u.Spec.PublicKeys = "y"+s.ns[len(s.ns)-5:], args[1], keys
		ts.Check(s.client.Create(s.t.Context(), u))
		s.t.Cleanup(func() { _ = s.client.Delete(context.WithoutCancel(s.t.Context()), u) })
		return
	}
	var u devserverv1.DevServerUser
	ts.Check(s.client.Get(s.t.Context(), client.ObjectKey{Name: s.ns}, &u))
	u.Spec.PublicKeys = keys
	ts.Check(s.client.Update(s.t.Context(), &u))
}

// mayEdit lets somebody read and change DevServers, and nothing else: may-edit NAME
func mayEdit(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "edit"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{devserverv1.GroupVersion.Group}, Resources: []string{"devservers"}, Verbs: []string{"get", "list", "patch"}},
	}}
	ts.Check(s.client.Create(s.t.Context(), role))
	ts.Check(s.client.Create(s.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "edit"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "edit"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: args[0]}},
	}))
}
