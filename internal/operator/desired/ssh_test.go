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

// A change of the flavor's sshResources requires a restart of running servers. A change of
// the quotas and LimitRanges of the namespace does not.
func TestHashOfSSHResources(t *testing.T) {
	hash := func(edits ...func(*desired.Input)) string {
		set, err := desired.StatefulSet(input(edits...))
		if err != nil {
			t.Fatal(err)
		}
		return set.Spec.Template.Annotations["devserver.io/template-hash"]
	}
	namespace := func(in *desired.Input) {
		in.Quotas = []corev1.ResourceQuota{{Spec: corev1.ResourceQuotaSpec{Hard: amounts("limits.cpu", "8")}}}
		in.LimitRanges = []corev1.LimitRange{{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Min: amounts("memory", "64Mi")}}}}}
	}
	flavor := func(in *desired.Input) {
		in.Flavor.Spec.SSHResources = &corev1.ResourceRequirements{Requests: amounts("memory", "64Mi")}
	}
	if hash() != hash(namespace) {
		t.Error("the hash changes with the quotas and LimitRanges of the namespace")
	}
	if hash() == hash(flavor) || hash(flavor) != hash(flavor, namespace) {
		t.Error("the hash does not depend on the flavor's sshResources alone")
	}
}

func TestSSHResources(t *testing.T) {
	type requirements = corev1.ResourceRequirements
	own := func(r requirements) func(*desired.Input) {
		return func(in *desired.Input) { in.Flavor.Spec.SSHResources = &r }
	}
	flavor := func(requests, limits corev1.ResourceList) func(*desired.Input) {
		return func(in *desired.Input) { in.Flavor.Spec.Resources = requirements{Requests: requests, Limits: limits} }
	}
	quota := func(spec corev1.ResourceQuotaSpec, counted ...string) func(*desired.Input) {
		spec.Hard = corev1.ResourceList{}
		for _, name := range counted {
			spec.Hard[corev1.ResourceName(name)] = resource.MustParse("8")
		}
		return func(in *desired.Input) { in.Quotas = append(in.Quotas, corev1.ResourceQuota{Spec: spec}) }
	}
	onQuota := quota(corev1.ResourceQuotaSpec{}, "limits.cpu")
	selecting := func(scope corev1.ResourceQuotaScope) corev1.ResourceQuotaSpec {
		return corev1.ResourceQuotaSpec{ScopeSelector: &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{
			{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists},
		}}}
	}
	terminating := corev1.ResourceQuotaSpec{Scopes: []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeTerminating}}
	limitRange := func(items ...corev1.LimitRangeItem) func(*desired.Input) {
		return func(in *desired.Input) {
			in.LimitRanges = append(in.LimitRanges, corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: items}})
		}
	}
	least := func(pairs ...string) func(*desired.Input) {
		return limitRange(corev1.LimitRangeItem{Type: corev1.LimitTypePod, Min: amounts("cpu", "4")}, corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Min: amounts(pairs...)})
	}
	ratio := func(pairs ...string) func(*desired.Input) {
		return limitRange(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, MaxLimitRequestRatio: amounts(pairs...)})
	}
	limit := func(pairs ...string) func(*desired.Input) {
		return limitRange(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Default: amounts(pairs...), Max: amounts("cpu", "2", "memory", "1Gi")})
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
		"another quota":         {"it requires what is set anyway", input(quota(corev1.ResourceQuotaSpec{}, "requests.cpu", "limits.memory")), requirements{Requests: small, Limits: amounts("memory", "128Mi")}},
		"second quota":          {"each quota counts", input(quota(corev1.ResourceQuotaSpec{}, "pods"), onQuota), requirements{Requests: small, Limits: amounts("cpu", "1", "memory", "128Mi")}},
		"terminating pods":      {"a server's pod has no deadline", input(quota(terminating, "limits.cpu"), quota(selecting(corev1.ResourceQuotaScopeTerminating), "limits.cpu")), requirements{Requests: small, Limits: amounts("memory", "128Mi")}},
		"priority class":        {"the pod may get this class", input(quota(selecting(corev1.ResourceQuotaScopePriorityClass), "limits.cpu")), requirements{Requests: small, Limits: amounts("cpu", "1", "memory", "128Mi")}},
		"quota, own limit":      {"the flavor's suffices", input(onQuota, own(requirements{Limits: amounts("cpu", "2")})), requirements{Requests: small, Limits: amounts("cpu", "2", "memory", "128Mi")}},
		"quota, Guaranteed":     {"the limit suffices", input(onQuota, guaranteed), requirements{Requests: large, Limits: large}},
		"minimum":               {"requests and limits rise to it", input(least("cpu", "100m", "memory", "256Mi", "ephemeral-storage", "1Gi")), requirements{Requests: amounts("cpu", "100m", "memory", "256Mi"), Limits: amounts("memory", "256Mi")}},
		"minimum, own limit":    {"the namespace wins over the flavor", input(own(requirements{Limits: amounts("memory", "16Mi")}), least("memory", "64Mi")), requirements{Requests: amounts("cpu", "10m", "memory", "64Mi"), Limits: amounts("memory", "64Mi")}},
		"minimum, limit only":   {"the absent request is the limit", input(own(requirements{Limits: amounts("ephemeral-storage", "1Gi")}), least("ephemeral-storage", "2Gi")), requirements{Requests: small, Limits: amounts("memory", "128Mi", "ephemeral-storage", "2Gi")}},
		"two minimums":          {"the larger counts", input(least("cpu", "20m", "memory", "64Mi"), least("cpu", "30m", "memory", "48Mi")), requirements{Requests: amounts("cpu", "30m", "memory", "64Mi"), Limits: amounts("memory", "128Mi")}},
		"minimum, Guaranteed":   {"the class stays", input(guaranteed, least("memory", "256Mi")), requirements{Requests: amounts("cpu", "500m", "memory", "256Mi"), Limits: amounts("cpu", "500m", "memory", "256Mi")}},
		"ratio":                 {"the request rises, to whole bytes", input(ratio("memory", "3")), requirements{Requests: amounts("cpu", "10m", "memory", "44739243"), Limits: amounts("memory", "128Mi")}},
		"ratio of CPU":          {"it requires a limit", input(ratio("cpu", "2.5")), requirements{Requests: amounts("cpu", "400m", "memory", "32Mi"), Limits: amounts("cpu", "1", "memory", "128Mi")}},
		"larger ratio":          {"nothing changes", input(ratio("memory", "5")), requirements{Requests: small, Limits: amounts("memory", "128Mi")}},
		"ratio, Guaranteed":     {"the ratio is 1", input(guaranteed, ratio("cpu", "1", "memory", "1")), requirements{Requests: large, Limits: large}},
		"default limits":        {"Kubernetes would set the CPU limit too; the memory has one", input(limit("cpu", "2", "memory", "64Mi"), limit("cpu", "250m")), requirements{Requests: small, Limits: amounts("cpu", "250m", "memory", "128Mi")}},
		"quota, default limit":  {"1 could be above the maximum", input(onQuota, limit("cpu", "500m")), requirements{Requests: small, Limits: amounts("cpu", "500m", "memory", "128Mi")}},
		"default limit, ratio":  {"the request fits the default", input(limit("cpu", "2"), ratio("cpu", "10")), requirements{Requests: amounts("cpu", "200m", "memory", "32Mi"), Limits: amounts("cpu", "2", "memory", "128Mi")}},
		"smaller default":       {"the limit is not below the request", input(limit("cpu", "100m"), least("cpu", "200m")), requirements{Requests: amounts("cpu", "200m", "memory", "32Mi"), Limits: amounts("cpu", "200m", "memory", "128Mi")}},
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
