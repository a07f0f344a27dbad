package devserver_test

import (
	"context"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
)

func TestAllowedImages(t *testing.T) {
	for name, tc := range map[string]struct {
		image   string
		allowed bool
	}{
		"in the path":              {"registry.example.com/ml/torch:2", true},
		"in a subdirectory":        {"registry.example.com/ml/a/b@sha256:0", true},
		"another registry":         {"example.com/torch", false},
		"path of another registry": {"evil.example/registry.example.com/ml/x", false},
		"dot is literal":           {"registryXexample.com/ml/x", false},
		"the flavor's own":         {"example.com/flavor:1", true},
		"the operator's default":   {"example.com/trainer:1", true},
		"none":                     {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flavor(func(f *devv1.DevServerFlavor) {
				f.Spec.Image, f.Spec.AllowedImages = "example.com/flavor:1", []string{"registry.example.com/ml/*"}
			})
			w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.Image = tc.image }))
			d := w.settled()
			if tc.allowed {
				w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
				return
			}
			w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonImageNotAllowed, "It allows registry.example.com/ml/*")
			w.absent(&appsv1.StatefulSet{}, "trainer")
		})
	}
}

func TestHomeSizeBounds(t *testing.T) {
	least, most := resource.MustParse("2Gi"), resource.MustParse("4Gi")
	for size, message := range map[string]string{"1Gi": "no less than 2Gi", "2Gi": "", "4Gi": "", "5Gi": "no more than 4Gi"} {
		w := newWorld(t)
		w.flavor(func(f *devv1.DevServerFlavor) { f.Spec.HomeSize = &devv1.SizeBounds{Min: &least, Max: &most} })
		w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.PersistentHomeSize = resource.MustParse(size) }))
		d := w.settled()
		if message == "" {
			w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
		} else {
			w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonHomeSizeNotAllowed, message)
		}
	}
}

// If another flavor becomes the default, a running server keeps the resources of the
// old one, and reports it, until it is restarted.
func TestDefaultFlavorChangesWhileServerRuns(t *testing.T) {
	w := newWorld(t)
	isDefault := func(f *devv1.DevServerFlavor) { f.Spec.Default = true }
	small := w.flavor(isDefault)
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.Flavor = "" }))
	w.settled()
	pod := w.startPod()
	w.settled()

	if err := w.c.Delete(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	large := newFlavor("large-"+w.ns, isDefault, func(f *devv1.DevServerFlavor) {
		f.Spec.Resources.Requests[corev1.ResourceCPU] = resource.MustParse("8")
	})
	w.create(large)
	t.Cleanup(func() { _ = w.c.Delete(context.Background(), large) })
	if d := w.settled(); d.Status.Flavor != small.Name {
		t.Errorf("before the StatefulSet controller has seen the change, status.flavor is %s", d.Status.Flavor)
	}
	w.updateRevision()
	d := w.settled()
	w.wantCondition(d, devv1.ConditionRestartPending, metav1.ConditionTrue, devv1.ReasonSettingsChanged, "")
	if d.Status.Flavor != small.Name {
		t.Errorf("while the restart is pending, status.flavor is %s", d.Status.Flavor)
	}

	if err := w.c.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.startPod()
	if d := w.settled(); d.Status.Flavor != large.Name {
		t.Errorf("after the restart, status.flavor is %s", d.Status.Flavor)
	}
}

func TestFlavorsPodTemplate(t *testing.T) {
	w := newWorld(t)
	f := w.flavor(func(f *devv1.DevServerFlavor) {
		f.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"hostAlias":[]}}`)}
	})
	w.create(w.devServer())
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonInvalidFlavor, `unknown field "spec.hostAlias"`)
	f.Spec.PodTemplate.Raw = []byte(`{"spec":{"dnsConfig":{"searches":["example.com"]}}}`)
	if err := w.c.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	if dns := set.Spec.Template.Spec.DNSConfig; dns == nil || len(dns.Searches) != 1 {
		t.Errorf("the pod's DNS configuration is %+v", dns)
	}
}

// A flavor with every field is applied only once: the defaults of the API server must
// not look like a difference.
func TestFlavorWithEveryField(t *testing.T) {
	w := newWorld(t)
	size := resource.MustParse("64Mi")
	w.flavor(func(f *devv1.DevServerFlavor) {
		f.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
			{Weight: 1, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname}},
		}}}
		f.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway}}
		f.Spec.Tolerations = []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}
		f.Spec.PriorityClassName, f.Spec.SchedulerName = "system-node-critical", "second"
		f.Spec.ImagePullSecrets = []devv1.LocalObjectReference{{Name: "registry"}}
		f.Spec.Volumes = []devv1.VolumeMount{{ClaimName: "datasets", MountPath: "/data", ReadOnly: true}}
		f.Spec.SharedMemorySize = &size
		f.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"sidecar","image":"x"}]}}`)}
	})
	w.create(w.devServer())
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonClaimNotFound, "of DevServerFlavor flavor-")
	w.create(w.claim("datasets", nil))
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
}

func TestVolumeConflict(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Spec.Volumes = []devv1.VolumeMount{{ClaimName: "a", MountPath: "/data"}, {ClaimName: "b", MountPath: "/data/"}}
	}))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonVolumeConflict, "same mount path /data")
}

// An operator that was started without flags has an image that nodes must never pull. A
// DevServer cannot change that.
func TestDefaultImageIsNotPulled(t *testing.T) {
	w := newWorld(t)
	w.r.Config.DefaultImagePullPolicy = corev1.PullNever
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.ImagePullPolicy = corev1.PullAlways }))
	w.settled()
	pull := func() []corev1.PullPolicy {
		set := &appsv1.StatefulSet{}
		w.get(set, "trainer")
		policies := []corev1.PullPolicy{set.Spec.Template.Spec.Containers[0].ImagePullPolicy}
		for _, v := range set.Spec.Template.Spec.Volumes {
			if v.Image != nil {
				policies = append(policies, v.Image.PullPolicy)
			}
		}
		return policies
	}
	if got, want := pull(), []corev1.PullPolicy{corev1.PullNever, corev1.PullNever}; !slices.Equal(got, want) {
		t.Errorf("nodes pull the default image %v, want %v", got, want)
	}
	w.edit(func(s *devv1.DevServerSpec) { s.Image = "example.com/own:1" })
	w.settled()
	if got, want := pull(), []corev1.PullPolicy{corev1.PullAlways, corev1.PullAlways}; !slices.Equal(got, want) {
		t.Errorf("nodes pull the server's own image %v, want %v", got, want)
	}
}
