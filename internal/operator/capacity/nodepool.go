package capacity

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// nodePool is the part of a Karpenter NodePool (karpenter.sh/v1) that decides
// whether it would add a node for a candidate. Which machines its cloud has is
// known only to Karpenter.
type nodePool struct {
	nodePoolObject
	// unreadable is set if only its name could be read.
	unreadable bool
}

type nodePoolObject struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		// Replicas makes it a pool of a fixed size.
		Replicas *int64              `json:"replicas"`
		Limits   corev1.ResourceList `json:"limits"`
		Template struct {
			Metadata struct {
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Spec struct {
				Taints       []corev1.Taint                   `json:"taints"`
				Requirements []corev1.NodeSelectorRequirement `json:"requirements"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		Resources  corev1.ResourceList `json:"resources"`
		Conditions []metav1.Condition  `json:"conditions"`
	} `json:"status"`
}

func nodePools(objects []unstructured.Unstructured) []nodePool {
	pools := make([]nodePool, 0, len(objects))
	for _, o := range objects {
		p := nodePool{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p.nodePoolObject); err != nil {
			p = nodePool{unreadable: true}
			p.Metadata.Name = o.GetName()
		}
		pools = append(pools, p)
	}
	slices.SortFunc(pools, func(a, b nodePool) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
	return pools
}

// pool returns the NodePool that would add a node for the candidate, or why
// none would.
func (c *Cluster) pool(b *candidate) (name, refused string) {
	reasons := make([]string, 0, len(c.pools))
	for i := range c.pools {
		p := &c.pools[i]
		why := p.obstacle(b)
		if why == "" {
			return p.Metadata.Name, ""
		}
		reasons = append(reasons, p.Metadata.Name+" "+why)
	}
	if len(reasons) == 0 {
		return "", ""
	}
	return "", "No Karpenter NodePool would add one: " + list(reasons) + "."
}

// obstacle is why the pool would add no node for the candidate, or "".
func (p *nodePool) obstacle(b *candidate) string {
	switch {
	case p.unreadable:
		return "cannot be read as karpenter.sh/v1"
	case !p.Metadata.DeletionTimestamp.IsZero():
		return "is being deleted"
	case p.Spec.Replicas != nil:
		return "has a fixed number of nodes"
	}
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" && c.Status == metav1.ConditionFalse {
			return "is not ready"
		}
	}
	if taint, found := b.untolerated(p.Spec.Template.Spec.Taints); found {
		return "has the taint " + taintName(taint) + ", which is not tolerated"
	}
	if key := p.mismatch(b); key != "" {
		return "has no nodes with the " + key + " that is asked for"
	}
	return p.overLimit(b.request)
}

// overLimit compares what the limits leave with the least that one more node
// requires.
func (p *nodePool) overLimit(request amounts) string {
	rest := amountsOf(p.Spec.Limits)
	for name, used := range amountsOf(p.Status.Resources) {
		if _, limited := rest[name]; limited {
			rest.subtract(name, used)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		least := request[name]
		if name == resourceNodes {
			least = 1
		}
		if left := max(rest[name], 0); least > 0 && left < least {
			return fmt.Sprintf("has %s %s left of its limit", quantity(name, left), name)
		}
	}
	return ""
}
