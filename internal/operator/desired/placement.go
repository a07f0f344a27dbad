package desired

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"devserver.io/devserver/internal/objects"
)

// place says on which nodes the pod may run, and with what standing.
func place(spec *corev1ac.PodSpecApplyConfiguration, in Input) error {
	flavor := in.Flavor.Spec
	constraints := slices.Clone(flavor.TopologySpreadConstraints)
	for i := range constraints {
		if constraints[i].LabelSelector == nil {
			constraints[i].LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{objects.LabelName: objects.Name}}
		}
	}
	if flavor.PriorityClassName != "" {
		spec.WithPriorityClassName(flavor.PriorityClassName)
	}
	if flavor.RuntimeClassName != "" {
		spec.WithRuntimeClassName(flavor.RuntimeClassName)
	}
	if flavor.SchedulerName != "" {
		spec.WithSchedulerName(flavor.SchedulerName)
	}
	return errors.Join(
		convert(flavor.Affinity, &spec.Affinity),
		convert(constraints, &spec.TopologySpreadConstraints),
		convert(flavor.Tolerations, &spec.Tolerations))
}

// convert makes an apply configuration of the type that it is of: the two have
// the same JSON.
func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		return fmt.Errorf("converting %T: %w", from, err)
	}
	return nil
}
