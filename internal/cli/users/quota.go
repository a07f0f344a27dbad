package users

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// parseQuota reads the values of --quota.
func parseQuota(values map[string]string) (corev1.ResourceList, error) {
	if len(values) == 0 {
		return nil, nil
	}
	quota := corev1.ResourceList{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		quantity, err := resource.ParseQuantity(values[name])
		if name == "" || err != nil || quantity.Sign() < 0 {
			return nil, fmt.Errorf("--quota %s=%s is not a resource and its quantity, such as memory=32Gi", name, values[name])
		}
		quota[corev1.ResourceName(name)] = quantity
	}
	return quota, nil
}
