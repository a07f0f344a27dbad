// Package account renders what a user has in the cluster: a namespace, and
// limits and roles in it. It is pure: the same DevServerUser gives the same
// objects.
package account

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/precedence"
	"devserver.io/devserver/internal/sshkeys"
)

// Name is the name of the limits and of the first RoleBinding in each user's
// namespace, the value of their label app.kubernetes.io/name, and the name of
// the chart's ClusterRole for users.
const Name = "devserver-user"

const namespacePrefix = "dev-"

// Objects are all objects of a user, in the order in which they must be
// created: limits come before the rights to use what they limit.
type Objects struct {
	Namespace *corev1ac.NamespaceApplyConfiguration
	Limits    []runtime.ApplyConfiguration
	Roles     []runtime.ApplyConfiguration
}

// Desired returns the objects of a user.
func Desired(u *devv1.DevServerUser) Objects {
	return Objects{Namespace: namespace(u), Limits: limits(u), Roles: roles(u)}
}

// Has tells whether a namespaced object is among them.
func (o Objects) Has(kind, name string) bool {
	for _, object := range slices.Concat(o.Limits, o.Roles) {
		named, ok := object.(interface {
			GetKind() *string
			GetName() *string
		})
		if ok && *named.GetKind() == kind && *named.GetName() == name {
			return true
		}
	}
	return false
}

// NamespaceName is the name of the user's namespace.
func NamespaceName(u *devv1.DevServerUser) string { return namespacePrefix + u.Spec.Username }

// labels of all objects of a user. The user name fits into a label's value;
// the DevServerUser's own name need not.
func labels(u *devv1.DevServerUser) map[string]string {
	return map[string]string{
		objects.LabelManagedBy: objects.ManagedBy,
		objects.LabelName:      Name,
		objects.LabelInstance:  u.Spec.Username,
	}
}

// namespace has no owner reference, so that garbage collection never reaches a
// home. Its annotation records whose it is, even after the DevServerUser was
// deleted.
func namespace(u *devv1.DevServerUser) *corev1ac.NamespaceApplyConfiguration {
	const podSecurity = "pod-security.kubernetes.io/"
	level := strings.ToLower(string(cmp.Or(u.Spec.PodSecurity, devv1.PodSecurityRestricted)))
	return corev1ac.Namespace(NamespaceName(u)).
		WithLabels(labels(u)).
		WithLabels(map[string]string{podSecurity + "enforce": level, podSecurity + "warn": level}).
		WithAnnotations(map[string]string{objects.AnnotationOwner: u.Spec.Owner})
}

// Same tells whether two DevServerUsers conflict: there can be one of each user
// name, and one of each owner.
func Same(a, b *devv1.DevServerUser) bool {
	return a.Spec.Username == b.Spec.Username || a.Spec.Owner == b.Spec.Owner
}

// Elder returns the oldest of those that conflict with u and are older than u,
// or nil.
func Elder(u *devv1.DevServerUser, all []devv1.DevServerUser) *devv1.DevServerUser {
	return precedence.Oldest(all, func(other *devv1.DevServerUser) bool {
		return other.UID != u.UID && Same(other, u) && precedence.Compare(other, u) < 0
	})
}

// BadKeys says which of the user's keys cannot be used, and why; empty for
// none. The API server has checked their form, but not their base64 part.
func BadKeys(u *devv1.DevServerUser) string {
	var faults []string
	for i, line := range u.Spec.PublicKeys {
		if _, _, err := sshkeys.ParseAuthorized(line); err != nil {
			faults = append(faults, fmt.Sprintf("spec.publicKeys[%d] is not a usable public key: %v.", i, err))
		}
	}
	return strings.Join(faults, " ")
}
