package policy

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	devv1 "devserver.io/devserver/api/v1"
)

// HomeSizeRefused says why a server of the flavor may not have a home of that
// size; empty where it may.
func HomeSizeRefused(size resource.Quantity, flavor *devv1.DevServerFlavor) string {
	const refused = "spec.persistentHomeSize is %s: DevServerFlavor %s allows %s %s."
	switch bounds := flavor.Spec.HomeSize; {
	case bounds == nil:
	case bounds.Min != nil && size.Cmp(*bounds.Min) < 0:
		return fmt.Sprintf(refused, &size, flavor.Name, "no less than", bounds.Min)
	case bounds.Max != nil && size.Cmp(*bounds.Max) > 0:
		return fmt.Sprintf(refused, &size, flavor.Name, "no more than", bounds.Max)
	}
	return ""
}
