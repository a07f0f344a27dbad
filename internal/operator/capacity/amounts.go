package capacity

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resources "k8s.io/component-helpers/resource"
)

// amounts are requested, used or free resources, as the scheduler counts them:
// CPU in thousandths of a core, everything else in units, rounded up.
type amounts map[corev1.ResourceName]int64

// resourceNodes is Karpenter's name for the number of a NodePool's nodes.
const resourceNodes corev1.ResourceName = "nodes"

func amountsOf(list corev1.ResourceList) amounts {
	a := make(amounts, len(list)+1)
	for name, quantity := range list {
		a[name] = amount(name, quantity)
	}
	return a
}

func amount(name corev1.ResourceName, q resource.Quantity) int64 {
	if name != corev1.ResourceCPU {
		return q.Value()
	}
	if q.CmpInt64(math.MaxInt64/1000) >= 0 {
		return math.MaxInt64
	}
	return q.MilliValue()
}

// quantity is the amount in the usual notation.
func quantity(name corev1.ResourceName, value int64) string {
	switch name {
	case corev1.ResourceCPU:
		return resource.NewMilliQuantity(value, resource.DecimalSI).String()
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return resource.NewQuantity(value, resource.BinarySI).String()
	default:
		return resource.NewQuantity(value, resource.DecimalSI).String()
	}
}

// hold subtracts what a pod takes from its node, including one of the node's
// pods.
func (a amounts) hold(pod *corev1.Pod) {
	for name, quantity := range Requests(pod) {
		a.subtract(name, amount(name, quantity))
	}
	a.subtract(corev1.ResourcePods, 1)
}

// subtract saturates, so that no request, however large, wraps around and looks
// like free capacity.
func (a amounts) subtract(name corev1.ResourceName, value int64) {
	rest := a[name] - value
	if value > 0 && rest > a[name] {
		rest = math.MinInt64
	}
	a[name] = rest
}

// count is how often the request fits, and, if it does not fit once, which
// resources are short. A resource that is not requested is never short.
func (a amounts) count(request amounts) (times int64, short []corev1.ResourceName) {
	times = math.MaxInt64
	for name, value := range request {
		if value <= 0 {
			continue
		}
		if a[name] < value {
			short = append(short, name)
		}
		times = min(times, max(a[name], 0)/value)
	}
	return times, short
}

// Requests is what the scheduler counts for a pod: init containers, sidecars,
// overhead, the pod's own resources, and resizes in progress.
func Requests(pod *corev1.Pod) corev1.ResourceList {
	return resources.PodRequests(pod, resources.PodResourcesOptions{
		UseStatusResources: true,
		InPlacePodLevelResourcesVerticalScalingEnabled: true,
	})
}

// request is what one more such pod would take from its node.
func request(pod *corev1.Pod) amounts {
	a := amountsOf(Requests(pod))
	a[corev1.ResourcePods] = 1
	return a
}
