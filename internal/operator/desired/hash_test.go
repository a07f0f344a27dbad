package desired

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"devserver.io/devserver/internal/objects"
)

// The hash of a template changes with what takes effect at a start, and with nothing
// else.
func TestTemplateHash(t *testing.T) {
	type template = corev1ac.PodTemplateSpecApplyConfiguration
	for name, tc := range map[string]struct {
		edit    func(*template)
		restart bool
	}{
		"nothing":                     {func(*template) {}, false},
		"the image of ssh":            {func(t *template) { t.Spec.Containers[1].WithImage("agent:2") }, false},
		"the image of prepare":        {func(t *template) { t.Spec.InitContainers[0].WithImage("agent:2") }, false},
		"an autoscaler's annotation":  {func(t *template) { t.WithAnnotations(AutoscalerAnnotations(false)) }, false},
		"the agent's image":           {func(t *template) { t.WithAnnotations(map[string]string{objects.AnnotationAgentImage: "agent:2"}) }, false},
		"an earlier hash":             {func(t *template) { t.WithAnnotations(map[string]string{objects.AnnotationTemplateHash: "1"}) }, false},
		"the server's image":          {func(t *template) { t.Spec.Containers[0].WithImage("server:2") }, true},
		"the command of ssh":          {func(t *template) { t.Spec.Containers[1].WithCommand("other") }, true},
		"an admin's annotation":       {func(t *template) { t.WithAnnotations(map[string]string{"example.com/inject": "true"}) }, true},
		"a label":                     {func(t *template) { t.WithLabels(map[string]string{"example.com/team": "a"}) }, true},
		"the settings of the owner":   {func(t *template) { t.WithAnnotations(map[string]string{AnnotationSettings: "{}"}) }, true},
		"the memory of the container": {func(t *template) { t.Spec.Containers[0].Resources.WithLimits(memory("2Gi")) }, true},
		"the same memory":             {func(t *template) { t.Spec.Containers[0].Resources.WithLimits(memory("1024Mi")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			render := func(edit func(*template)) string {
				rendered := corev1ac.PodTemplateSpec().WithAnnotations(AutoscalerAnnotations(true)).WithSpec(corev1ac.PodSpec().
					WithInitContainers(corev1ac.Container().WithName(objects.PrepareContainer).WithImage("agent:1")).
					WithContainers(
						corev1ac.Container().WithName(objects.ServerContainer).WithImage("server:1").WithResources(corev1ac.ResourceRequirements().WithLimits(memory("1Gi"))),
						corev1ac.Container().WithName(objects.SSHContainer).WithImage("agent:1")))
				edit(rendered)
				rendered, err := withHash(rendered, corev1.ResourceRequirements{})
				if err != nil {
					t.Fatal(err)
				}
				return rendered.Annotations[objects.AnnotationTemplateHash]
			}
			before, after := render(func(*template) {}), render(tc.edit)
			if before == "" || (before != after) != tc.restart {
				t.Errorf("the hash was %q and is %q, want a change: %t", before, after, tc.restart)
			}
		})
	}
}

func memory(quantity string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(quantity)}
}
