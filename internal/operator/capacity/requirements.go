package capacity

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// requirements are requirements on the labels of a node, by key.
type requirements map[string][]corev1.NodeSelectorRequirement

// is requires one value.
func (r requirements) is(key, value string) {
	r[key] = append(r[key], corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}})
}

// Labels of a node that Karpenter adds.
const (
	karpenterDomain = "karpenter.sh/"
	labelNodePool   = karpenterDomain + "nodepool"
	labelCapacity   = karpenterDomain + "capacity-type"
)

// offered is what the pool says about the labels of its nodes.
func (p *nodePool) offered() requirements {
	r := requirements{}
	for _, q := range p.Spec.Template.Spec.Requirements {
		r[q.Key] = append(r[q.Key], q)
	}
	for key, value := range p.Spec.Template.Metadata.Labels {
		r.is(key, value)
	}
	r.is(labelNodePool, p.Metadata.Name)
	// A new node has a new name, which no selector can have yet.
	r.is(corev1.LabelHostname, "a-new-node")
	return r
}

// asked is what the candidate requires of the labels of its node: any one of
// these.
func (b *candidate) asked() []requirements {
	all := requirements{}
	for key, value := range b.spec.NodeSelector {
		all.is(key, value)
	}
	if b.spec.Affinity == nil || b.spec.Affinity.NodeAffinity == nil || b.spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return []requirements{all}
	}
	var alternatives []requirements
	for _, term := range b.spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		// A term without expressions matches nothing; a term with fields is
		// about the name of a node.
		if len(term.MatchExpressions) == 0 || len(term.MatchFields) > 0 {
			continue
		}
		alternative := requirements{}
		for key, list := range all {
			alternative[key] = slices.Clone(list)
		}
		for _, q := range term.MatchExpressions {
			alternative[q.Key] = append(alternative[q.Key], q)
		}
		alternatives = append(alternatives, alternative)
	}
	return alternatives
}

// mismatch is a label that no node of the pool would have as the candidate
// requires, or "".
func (p *nodePool) mismatch(b *candidate) string {
	offered := p.offered()
	first := ""
	for _, alternative := range b.asked() {
		missing := alternative.unmet(offered)
		if missing == "" {
			return ""
		}
		first = cmp.Or(first, missing)
	}
	return cmp.Or(first, "name")
}

func (r requirements) unmet(offered requirements) string {
	for _, key := range slices.Sorted(maps.Keys(r)) {
		both := slices.Concat(r[key], offered[key])
		if len(offered[key]) == 0 && !wellKnown(key) {
			both = append(both, corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpDoesNotExist})
		}
		if !satisfiable(key, both) {
			return key
		}
	}
	return ""
}

// wellKnown labels are on the machines of a cloud, even if a NodePool does not
// mention them. A cloud's own labels have a domain such as karpenter.k8s.aws.
func wellKnown(key string) bool {
	switch key {
	case corev1.LabelTopologyZone, corev1.LabelTopologyRegion, corev1.LabelInstanceTypeStable,
		corev1.LabelArchStable, corev1.LabelOSStable, corev1.LabelWindowsBuild, labelCapacity,
		corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion, corev1.LabelInstanceType,
		"beta.kubernetes.io/arch", "beta.kubernetes.io/os":
		return true
	}
	return strings.HasPrefix(key, "karpenter.") && !strings.HasPrefix(key, karpenterDomain) || strings.HasPrefix(key, "topology.k8s.")
}

// satisfiable tells whether a label, or its absence, can meet all of the
// requirements.
func satisfiable(key string, list []corev1.NodeSelectorRequirement) bool {
	selector := labels.NewSelector()
	for _, q := range list {
		requirement, err := labelRequirement(q)
		if err != nil {
			return false
		}
		selector = selector.Add(*requirement)
	}
	if selector.Matches(labels.Set{}) {
		return true
	}
	return slices.ContainsFunc(candidates(list), func(value string) bool {
		return selector.Matches(labels.Set{key: value})
	})
}

// candidates are values of a label, of which one matches if any value does.
func candidates(list []corev1.NodeSelectorRequirement) []string {
	forbidden := 0
	numbers := []int{}
	for _, q := range list {
		switch q.Operator {
		case corev1.NodeSelectorOpIn:
			return q.Values
		case corev1.NodeSelectorOpNotIn:
			forbidden += len(q.Values)
		default:
			if len(q.Values) == 1 {
				if n, err := strconv.Atoi(q.Values[0]); err == nil {
					numbers = append(numbers, n)
				}
			}
		}
	}
	if len(numbers) == 0 {
		return []string{"some-value-that-nobody-names"}
	}
	// The numbers next to each bound, and further numbers in place of forbidden
	// ones.
	var values []string
	for _, n := range numbers {
		for i := -forbidden - 1; i <= forbidden+1; i++ {
			values = append(values, strconv.Itoa(n+i))
		}
	}
	return values
}

func labelRequirement(q corev1.NodeSelectorRequirement) (*labels.Requirement, error) {
	operators := map[corev1.NodeSelectorOperator]selection.Operator{
		corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
		corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
		corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
	}
	values := q.Values
	// Karpenter has "at least" and "at most" too.
	if shift := map[corev1.NodeSelectorOperator]int{"Gte": -1, "Lte": 1}[q.Operator]; shift != 0 && len(values) == 1 {
		n, err := strconv.Atoi(values[0])
		if err != nil {
			return nil, err
		}
		operators["Gte"], operators["Lte"] = selection.GreaterThan, selection.LessThan
		values = []string{strconv.Itoa(n + shift)}
	}
	return labels.NewRequirement(q.Key, operators[q.Operator], values)
}
