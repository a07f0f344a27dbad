// Package packed is the form in which the watch cache holds StatefulSets. Their
// pod specs are the greatest part of all that it has, come with each event of
// their status, and are asked for after a restart of the operator, or when
// somebody edited one: until then they stay as they came, in protobuf.
package packed

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"devserver.io/devserver/internal/brief"
)

// Mask has a watch bring StatefulSets packed. The pod spec is in the generateName
// of the template's metadata, which means nothing in a template.
func Mask() brief.Mask {
	return brief.Raw(&appsv1.StatefulSet{}, "spec.template.spec", "metadata.generateName")
}

// Pack packs a StatefulSet, unless it is packed.
func Pack(set *appsv1.StatefulSet) error {
	template := &set.Spec.Template
	if is(template) {
		return nil
	}
	text, err := template.Spec.Marshal()
	if err != nil {
		return fmt.Errorf("packing the pod spec of StatefulSet %s/%s: %w", set.Namespace, set.Name, err)
	}
	template.Spec, template.GenerateName = corev1.PodSpec{}, string(text)
	return nil
}

// Unpack returns a StatefulSet with its pod spec, which is itself if it is not
// packed. Nothing else in it is copied.
func Unpack(set *appsv1.StatefulSet) (*appsv1.StatefulSet, error) {
	if !is(&set.Spec.Template) {
		return set, nil
	}
	whole := *set
	template := &whole.Spec.Template
	if err := template.Spec.Unmarshal([]byte(template.GenerateName)); err != nil {
		return nil, fmt.Errorf("unpacking the pod spec of StatefulSet %s/%s: %w", set.Namespace, set.Name, err)
	}
	template.GenerateName = ""
	return &whole, nil
}

// is tells whether the template is packed: every other one has a container.
func is(template *corev1.PodTemplateSpec) bool {
	return template.GenerateName != "" && len(template.Spec.Containers) == 0
}
