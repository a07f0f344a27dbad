package desired

import (
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// quotaCPU is the CPU limit of a container that sets none, in a namespace that requires
// one.
var quotaCPU = resource.MustParse("1")

// admitted raises r, the requests and limits of a container, to what the namespace
// requires of each container, and sets a CPU limit if the namespace requires one.
// Otherwise Kubernetes refuses the pod. It does not lower a value that is above the
// maximum of a LimitRange, because the container may need that much. It changes the lists
// of r.
func admitted(r corev1.ResourceRequirements, quotas []corev1.ResourceQuota, ranges []corev1.LimitRange) corev1.ResourceRequirements {
	var items []corev1.LimitRangeItem
	for _, limits := range ranges {
		for _, item := range limits.Spec.Limits {
			if item.Type == corev1.LimitTypeContainer {
				items = append(items, item)
			}
		}
	}
	if _, limited := r.Limits[corev1.ResourceCPU]; !limited {
		if limit := cpuLimit(quotas, items); !limit.IsZero() {
			r.Limits[corev1.ResourceCPU] = limit
		}
	}
	for _, item := range items {
		for name, least := range item.Min {
			raise(r.Requests, name, least)
			raise(r.Limits, name, least) // It is the request too if that is absent.
		}
		for name, ratio := range item.MaxLimitRequestRatio {
			raise(r.Requests, name, quotient(name, r.Limits[name], ratio))
		}
	}
	for name, request := range r.Requests {
		raise(r.Limits, name, request)
	}
	return r
}

// cpuLimit returns the CPU limit of a container that sets none. It is the smallest default
// of the LimitRanges, because Kubernetes would choose an arbitrary one. Without a default,
// it is quotaCPU if a quota or a LimitRange requires a limit, and otherwise 0.
func cpuLimit(quotas []corev1.ResourceQuota, items []corev1.LimitRangeItem) resource.Quantity {
	var limit resource.Quantity
	required := slices.ContainsFunc(quotas, countsCPULimits)
	for _, item := range items {
		if value, ok := item.Default[corev1.ResourceCPU]; ok && (limit.IsZero() || value.Cmp(limit) < 0) {
			limit = value
		}
		_, bounded := item.MaxLimitRequestRatio[corev1.ResourceCPU]
		required = required || bounded
	}
	if limit.IsZero() && required {
		return quotaCPU
	}
	return limit
}

// countsCPULimits reports whether the quota may count the CPU limits of a server's pod,
// and therefore require one of every container. A quota for terminating pods does not: it
// counts only pods with activeDeadlineSeconds, which a StatefulSet does not allow. A quota
// for certain priority classes may, because the cluster can have a default class.
func countsCPULimits(quota corev1.ResourceQuota) bool {
	terminating := slices.Contains(quota.Spec.Scopes, corev1.ResourceQuotaScopeTerminating)
	if selector := quota.Spec.ScopeSelector; selector != nil {
		terminating = terminating || slices.ContainsFunc(selector.MatchExpressions, func(s corev1.ScopedResourceSelectorRequirement) bool {
			return s.ScopeName == corev1.ResourceQuotaScopeTerminating
		})
	}
	_, counts := quota.Spec.Hard[corev1.ResourceLimitsCPU]
	return counts && !terminating
}

// raise raises the named value to least. It does nothing if the list has no such value.
func raise(list corev1.ResourceList, name corev1.ResourceName, least resource.Quantity) {
	if value, ok := list[name]; ok && value.Cmp(least) < 0 {
		list[name] = least
	}
}

// quotient returns limit / ratio, rounded up to thousandths of a CPU or to bytes.
func quotient(name corev1.ResourceName, limit, ratio resource.Quantity) resource.Quantity {
	milli := math.Ceil(1000 * limit.AsApproximateFloat64() / ratio.AsApproximateFloat64())
	request := resource.NewMilliQuantity(int64(milli), limit.Format)
	if name != corev1.ResourceCPU {
		request.RoundUp(0)
	}
	return *request
}
