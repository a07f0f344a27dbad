package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
)

// ObservedUser is what the cluster has for a DevServerUser.
type ObservedUser struct {
	// Problem is what the resolve step found, or an object that could not be
	// applied.
	Problem *Problem
	// Namespace is the user's namespace, or empty if it is not theirs.
	Namespace string
	// Quota is nil if it does not exist.
	Quota *corev1.ResourceQuota
	// BadKeys says which keys cannot be used, and why. The others count.
	BadKeys string
}

// ComputeUser returns the status of u, given what was observed at now.
func ComputeUser(u *devv1.DevServerUser, o ObservedUser, now time.Time) devv1.DevServerUserStatus {
	s := *u.Status.DeepCopy()
	s.ObservedGeneration = u.Generation
	s.Namespace = o.Namespace
	ready, reason, message := userReady(o)
	Conditions{List: &s.Conditions, Generation: u.Generation, Now: now}.Set(devv1.ConditionReady, ready, reason, message)
	return s
}

func userReady(o ObservedUser) (ready metav1.ConditionStatus, reason, message string) {
	uncounted := uncounted(o.Quota)
	switch {
	case o.Problem != nil:
		return metav1.ConditionFalse, o.Problem.Reason, o.Problem.Message
	case o.BadKeys != "":
		return metav1.ConditionFalse, devv1.ReasonUserInvalidKey, o.BadKeys + " The other keys count."
	case len(uncounted) > 0:
		return metav1.ConditionFalse, devv1.ReasonUserQuotaPending, fmt.Sprintf(
			"Kubernetes does not count %s of spec.quota yet, and refuses it until it does. If this does not change, the resource does not exist: check the name.",
			strings.Join(uncounted, ", "))
	default:
		return metav1.ConditionTrue, devv1.ReasonProvisioned, fmt.Sprintf("The namespace %s and the user's roles in it exist.", o.Namespace)
	}
}

// uncounted are the resources of a quota whose use Kubernetes has not counted.
func uncounted(quota *corev1.ResourceQuota) []string {
	if quota == nil {
		return nil
	}
	var names []string
	for name := range quota.Spec.Hard {
		if _, counted := quota.Status.Used[name]; !counted {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return names
}
