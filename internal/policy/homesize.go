package policy

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	devv1 "devserver.io/devserver/api/v1"
)

// HomeSizeRefused says why a server of the flavor may not have a home of that
// size; empty where it may.
func HomeSizeRefused(size resource.Quantity, flavor *devv1.DevServerFlavor) string {
	bounds := flavor.Spec.HomeSize
	var relation string
	var bound *resource.Quantity
	switch {
	case bounds == nil:
		return ""
	case bounds.Min != nil && size.Cmp(*bounds.Min) < 0:
		relation, bound = "no less than", bounds.Min
	case bounds.Max != nil && size.Cmp(*bounds.Max) > 0:
		relation, bound = "no more than", bounds.Max
	default:
		return ""
	}
	return fmt.Sprintf("spec.persistentHomeSize is %s: DevServerFlavor %s allows %s %s.", &size, flavor.Name, relation, bound)
}
