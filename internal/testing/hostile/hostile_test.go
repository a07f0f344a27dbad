package hostile

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"devserver.io/devserver/internal/printable"
)

func TestFaultsAreFound(t *testing.T) {
	for output, safe := range map[string]bool{
		"":                             true,
		"name  v\n\n  more\n":          true,
		Text:                           false,
		"a\x1b[31m\n":                  false,
		"\u202e":                       false,
		"\xff":                         false,
		"ok\nForged: x\n":              false,
		"ok\n  Forged: x\n":            false,
		printable.Line(Text, 0):        true,
		"x " + printable.Line(Text, 0): true,
		printable.Text(Text):           false, // Its lines remain.
	} {
		if faults := Faults(output, ""); (len(faults) == 0) != safe {
			t.Errorf("%q: %q", output, faults)
		}
	}
}

func TestFill(t *testing.T) {
	var pod corev1.Pod
	Fill(&pod)
	if pod.Name != Text || pod.Labels[Text] != Text || pod.Spec.Containers[0].Env[0].Value != Text || string(pod.Status.Phase) != Text ||
		len(pod.Spec.Containers[0].Resources.Limits) != 1 || pod.DeletionTimestamp != nil {
		t.Errorf("a field of the pod was left out: %+v", pod)
	}
}
