package flavors

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"

	devserverv1 "devserver.io/devserver/api/v1"
)

// size is what a flavor gives to a server, as text.
type size struct{ cpu, memory, devices string }

func sizeOf(f *devserverv1.DevServerFlavor) size {
	resources := f.Spec.Resources
	return size{
		cpu:     between(resources, corev1.ResourceCPU),
		memory:  between(resources, corev1.ResourceMemory),
		devices: devices(resources),
	}
}

// between shows the request and the limit: "4-8", "4" if they are equal, "up to 8"
// without a request, and "4+" without a limit.
func between(r corev1.ResourceRequirements, name corev1.ResourceName) string {
	request, requested := r.Requests[name]
	limit, limited := r.Limits[name]
	switch {
	case !requested && !limited:
		return ""
	case !requested, request.Cmp(limit) == 0:
		// Kubernetes requests the limit if there is no request.
		return amount(name, limit)
	case !limited:
		return amount(name, request) + "+"
	case request.IsZero():
		return "up to " + amount(name, limit)
	}
	return amount(name, request) + "-" + amount(name, limit)
}

// amount shows CPUs as people count them, "0.5" and not "500m".
func amount(name corev1.ResourceName, quantity resource.Quantity) string {
	if name == corev1.ResourceCPU {
		return strconv.FormatFloat(quantity.AsApproximateFloat64(), 'f', -1, 64)
	}
	return quantity.String()
}

// devices are the extended resources: "8 nvidia.com/gpu".
func devices(r corev1.ResourceRequirements) string {
	amounts := map[corev1.ResourceName]resource.Quantity{}
	for _, list := range []corev1.ResourceList{r.Requests, r.Limits} {
		for name, amount := range list {
			// Kubernetes' own resources have no domain.
			if strings.Contains(string(name), "/") && !amount.IsZero() {
				amounts[name] = amount
			}
		}
	}
	texts := make([]string, 0, len(amounts))
	for name, amount := range amounts {
		texts = append(texts, fmt.Sprintf("%s %s", &amount, name))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// Size describes what a server of the flavor gets: "4-8 CPUs, 32Gi".
func Size(f *devserverv1.DevServerFlavor) string {
	s := sizeOf(f)
	var parts []string
	if s.cpu != "" {
		unit := "CPUs"
		if s.cpu == "1" {
			unit = "CPU"
		}
		parts = append(parts, s.cpu+" "+unit)
	}
	if s.memory != "" {
		parts = append(parts, s.memory)
	}
	if s.devices != "" {
		parts = append(parts, s.devices)
	}
	if len(parts) == 0 {
		return "no requests or limits"
	}
	return strings.Join(parts, ", ")
}

// Fits says whether a node has room for one more server of the flavor.
func Fits(f *devserverv1.DevServerFlavor) string {
	fits, used := f.Status.Fits, ""
	if n := f.Status.InUse; n != nil && *n > 0 {
		used = fmt.Sprintf(", %d in use", *n)
	}
	switch f.Status.Schedulable {
	case devserverv1.SchedulableYes:
		if fits == nil {
			return "fits now" + used
		}
		return fmt.Sprintf("%d fit now", *fits) + used
	case devserverv1.SchedulableNo:
		return "no room now" + used
	case devserverv1.SchedulableAutoscaled:
		return "a node is added for it" + used
	}
	return "room unknown" + used
}

// NoRoom says why a server of the flavor fits on no node now, and that it waits;
// empty if it may fit.
func NoRoom(f *devserverv1.DevServerFlavor) string {
	if f == nil || f.Status.Schedulable != devserverv1.SchedulableNo {
		return ""
	}
	return fmt.Sprintf("Flavor %s fits on no node now (%s). A server of it waits until it does.", f.Name, whyNot(f))
}

// NeverFits says why no node of the cluster could run a server of the flavor,
// however empty it were; empty if one could, or if that is not known. The operator
// does not know of node pools that a cluster autoscaler may add nodes to.
func NeverFits(f *devserverv1.DevServerFlavor) string {
	if f == nil || f.Status.Schedulable != devserverv1.SchedulableNo {
		return ""
	}
	c := meta.FindStatusCondition(f.Status.Conditions, devserverv1.ConditionSchedulable)
	if c == nil || c.Reason != devserverv1.ReasonNoNodeMatches || c.ObservedGeneration < f.Generation {
		return ""
	}
	return fmt.Sprintf("no node of the cluster can run flavor %s, even an empty one (%s)", f.Name, whyNot(f))
}

func whyNot(f *devserverv1.DevServerFlavor) string {
	if why := strings.TrimSuffix(message(f), "."); why != "" {
		return why
	}
	return "no node has room"
}
