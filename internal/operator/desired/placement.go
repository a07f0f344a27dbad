package desired

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"devserver.io/devserver/internal/objects"
)

// place says on which nodes the pod may run, and with what standing.
func place(spec *corev1ac.PodSpecApplyConfiguration, in Input) error {
	flavor := in.Flavor.Spec
	if flavor.Affinity != nil {
		affinity := &corev1ac.AffinityApplyConfiguration{}
		if err := convert(flavor.Affinity, affinity); err != nil {
			return err
		}
		spec.WithAffinity(affinity)
	}
	for _, constraint := range flavor.TopologySpreadConstraints {
		if constraint.LabelSelector == nil {
			constraint.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{objects.LabelName: objects.Name}}
		}
		ac := &corev1ac.TopologySpreadConstraintApplyConfiguration{}
		if err := convert(constraint, ac); err != nil {
			return err
		}
		spec.WithTopologySpreadConstraints(ac)
	}
	for _, t := range flavor.Tolerations {
		ac := &corev1ac.TolerationApplyConfiguration{}
		if err := convert(t, ac); err != nil {
			return err
		}
		spec.WithTolerations(ac)
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
	return nil
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
