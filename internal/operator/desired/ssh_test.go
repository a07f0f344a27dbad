package desired_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"devserver.io/devserver/internal/operator/desired"
)

func amounts(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func TestSSHResources(t *testing.T) {
	type requirements = corev1.ResourceRequirements
	own := func(r requirements) func(*desired.Input) {
		return func(in *desired.Input) { in.Flavor.Spec.SSHResources = &r }
	}
	flavor := func(requests, limits corev1.ResourceList) func(*desired.Input) {
		return func(in *desired.Input) { in.Flavor.Spec.Resources = requirements{Requests: requests, Limits: limits} }
	}
	onQuota := func(in *desired.Input) { in.QuotaOnCPULimits = true }
	least := func(pairs ...string) func(*desired.Input) {
		return func(in *desired.Input) { in.MinContainer = amounts(pairs...) }
	}
	small := amounts("cpu", "10m", "memory", "32Mi")
	large := amounts("cpu", "500m", "memory", "128Mi")
	for name, tc := range map[string]struct {
		reason string
		in     desired.Input
		want   requirements
	}{
		"default":               {"encryption is not slowed down", input(), requirements{Requests: small, Limits: amounts("memory", "128Mi")}},
		"limits":                {"Guaranteed stays Guaranteed", input(guaranteed), requirements{Requests: large, Limits: large}},
		"equal requests":        {"Guaranteed stays Guaranteed", input(flavor(amounts("cpu", "1000m", "memory", "8Gi"), amounts("cpu", "1", "memory", "8Gi"))), requirements{Requests: large, Limits: large}},
		"smaller request":       {"the pod is Burstable", input(flavor(amounts("cpu", "500m"), amounts("cpu", "1", "memory", "8Gi"))), requirements{Requests: small, Limits: amounts("memory", "128Mi")}},
		"memory limit alone":    {"the pod is Burstable", input(flavor(amounts("memory", "8Gi"), amounts("memory", "8Gi"))), requirements{Requests: small, Limits: amounts("memory", "128Mi")}},
		"own limit":             {"one value replaces one default", input(own(requirements{Limits: amounts("cpu", "2")})), requirements{Requests: small, Limits: amounts("cpu", "2", "memory", "128Mi")}},
		"own request, higher":   {"the default limit follows", input(own(requirements{Requests: amounts("memory", "256Mi")})), requirements{Requests: amounts("cpu", "10m", "memory", "256Mi"), Limits: amounts("memory", "256Mi")}},
		"own limit, lower":      {"the default request follows", input(own(requirements{Limits: amounts("memory", "16Mi")})), requirements{Requests: amounts("cpu", "10m", "memory", "16Mi"), Limits: amounts("memory", "16Mi")}},
		"own limit, Guaranteed": {"it is the request too", input(guaranteed, own(requirements{Limits: amounts("cpu", "2")})), requirements{Requests: amounts("cpu", "2", "memory", "128Mi"), Limits: amounts("cpu", "2", "memory", "128Mi")}},
		"own request, too":      {"it is the limit too", input(guaranteed, own(requirements{Requests: amounts("cpu", "100m")})), requirements{Requests: amounts("cpu", "100m", "memory", "128Mi"), Limits: amounts("cpu", "100m", "memory", "128Mi")}},
		"quota of CPU limits":   {"the quota refuses a container without", input(onQuota), requirements{Requests: small, Limits: amounts("cpu", "1", "memory", "128Mi")}},
		"quota, own limit":      {"the flavor's suffices", input(onQuota, own(requirements{Limits: amounts("cpu", "2")})), requirements{Requests: small, Limits: amounts("cpu", "2", "memory", "128Mi")}},
		"quota, Guaranteed":     {"the limit suffices", input(onQuota, guaranteed), requirements{Requests: large, Limits: large}},
		"minimum":               {"requests and limits rise to it", input(least("cpu", "100m", "memory", "256Mi", "ephemeral-storage", "1Gi")), requirements{Requests: amounts("cpu", "100m", "memory", "256Mi"), Limits: amounts("memory", "256Mi")}},
		"minimum, own limit":    {"the namespace wins over the flavor", input(own(requirements{Limits: amounts("memory", "16Mi")}), least("memory", "64Mi")), requirements{Requests: amounts("cpu", "10m", "memory", "64Mi"), Limits: amounts("memory", "64Mi")}},
		"smaller minimum":       {"nothing changes", input(least("cpu", "1m")), requirements{Requests: small, Limits: amounts("memory", "128Mi")}},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := desired.StatefulSet(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			ssh := set.Spec.Template.Spec.Containers[1]
			got := requirements{Requests: *ssh.Resources.Requests, Limits: *ssh.Resources.Limits}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
