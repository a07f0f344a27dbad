// Package precedence decides which of several objects gets what only one of them can
// have: the oldest. It is pure.
package precedence

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Compare is negative if a is older than b. Times of creation are whole
// seconds; of the same second, the name decides.
func Compare(a, b metav1.Object) int {
	return cmp.Or(
		a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time),
		cmp.Compare(a.GetName(), b.GetName()))
}

// Oldest returns the oldest of those objects that qualify, or nil.
func Oldest[T any, P interface {
	*T
	metav1.Object
}](objects []T, qualifies func(P) bool) P {
	var oldest P
	for i := range objects {
		if o := P(&objects[i]); qualifies(o) && (oldest == nil || Compare(o, oldest) < 0) {
			oldest = o
		}
	}
	return oldest
}
