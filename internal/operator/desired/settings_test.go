package desired_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
)

func TestEdited(t *testing.T) {
	annotations := func(edits ...func(*desired.Input)) map[string]string {
		set, err := desired.StatefulSet(input(edits...))
		if err != nil {
			t.Fatal(err)
		}
		return set.Spec.Template.Annotations
	}
	restarted := func(minute int) func(*desired.Input) {
		at := metav1.NewTime(time.Date(2026, 1, 31, 9, minute, 0, 0, time.UTC))
		return func(in *desired.Input) { in.DevServer.Spec.RestartedAt = &at }
	}
	spec := func(edit func(*devv1.DevServerSpec)) map[string]string {
		return annotations(func(in *desired.Input) { edit(&in.DevServer.Spec) })
	}
	base := annotations()
	for name, tc := range map[string]struct {
		was, is map[string]string
		want    []string
	}{
		"nothing":                 {base, base, nil},
		"image":                   {base, spec(func(s *devv1.DevServerSpec) { s.Image = "x" }), []string{"spec.image"}},
		"flavor":                  {base, spec(func(s *devv1.DevServerSpec) { s.Flavor = "x" }), []string{"spec.flavor"}},
		"pull policy":             {base, spec(func(s *devv1.DevServerSpec) { s.ImagePullPolicy = corev1.PullAlways }), []string{"spec.imagePullPolicy"}},
		"two":                     {base, spec(func(s *devv1.DevServerSpec) { s.SharedVolumeClaimName, s.Image = "x", "y" }), []string{"spec.image", "spec.sharedVolumeClaimName"}},
		"env back":                {spec(func(s *devv1.DevServerSpec) { s.Env = []devv1.EnvVar{{Name: "A"}} }), base, []string{"spec.env"}},
		"volumes":                 {base, spec(func(s *devv1.DevServerSpec) { s.Volumes = []devv1.VolumeMount{{ClaimName: "c", MountPath: "/c"}} }), []string{"spec.volumes"}},
		"restart":                 {base, annotations(restarted(1)), []string{"spec.restartedAt"}},
		"once more":               {annotations(restarted(1)), annotations(restarted(2)), []string{"spec.restartedAt"}},
		"earlier":                 {annotations(restarted(2)), annotations(restarted(1)), nil},
		"taken back":              {annotations(restarted(1)), base, nil},
		"keys":                    {base, spec(func(s *devv1.DevServerSpec) { s.SSH.PublicKeys = []string{"x"} }), nil},
		"the flavor's own edit":   {base, annotations(gpu), nil},
		"a pod of an older form":  {nil, base, nil},
		"a pod of a newer form":   {map[string]string{desired.AnnotationSettings: `{"version":2,"image":"x"}`}, base, nil},
		"an annotation of others": {map[string]string{desired.AnnotationSettings: "what"}, base, nil},
	} {
		if got := desired.Edited(tc.was, tc.is); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}
