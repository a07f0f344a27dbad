package account

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// roles are the bindings that give the user their rights: first the one for
// DevServers, then each of spec.roles once.
func roles(u *devv1.DevServerUser) []runtime.ApplyConfiguration {
	all := []runtime.ApplyConfiguration{
		binding(u, Name, devv1.RoleReference{Kind: "ClusterRole", Name: Name}),
	}
	bound := map[string]bool{}
	for _, ref := range u.Spec.Roles {
		name := bindingName(ref)
		if bound[name] {
			continue
		}
		bound[name] = true
		all = append(all, binding(u, name, ref))
	}
	return all
}

// bindingName is made from the whole reference: a binding's roleRef is
// immutable, so another role requires another binding.
func bindingName(ref devv1.RoleReference) string {
	return Name + "-" + strings.ToLower(ref.Kind) + "-" + ref.Name
}

func binding(u *devv1.DevServerUser, name string, ref devv1.RoleReference) *rbacv1ac.RoleBindingApplyConfiguration {
	return rbacv1ac.RoleBinding(name, NamespaceName(u)).
		WithLabels(labels(u)).
		WithOwnerReferences(objects.ControlledBy("DevServerUser", u)).
		WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind(ref.Kind).WithName(ref.Name)).
		WithSubjects(rbacv1ac.Subject().WithAPIGroup(rbacv1.GroupName).WithKind(rbacv1.UserKind).WithName(u.Spec.Owner))
}
