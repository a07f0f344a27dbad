package capacity

import (
	"fmt"
	"maps"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	scheduling "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/desired"
)

// candidate is a server of the flavor, as the scheduler would see it.
type candidate struct {
	spec     corev1.PodSpec
	affinity nodeaffinity.RequiredNodeAffinity
	request  amounts
}

// newCandidate returns the candidate of a flavor, without its init container,
// which never requests more than the main container.
func newCandidate(f *devv1.DevServerFlavor, classes map[string]*nodev1.RuntimeClass) (*candidate, *verdict) {
	s := f.Spec
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		NodeSelector:              linux(s.NodeSelector),
		Tolerations:               s.Tolerations,
		Affinity:                  s.Affinity,
		TopologySpreadConstraints: s.TopologySpreadConstraints,
		SchedulerName:             s.SchedulerName,
		Containers:                []corev1.Container{{Name: objects.ServerContainer, Resources: s.Resources}},
	}}
	if s.RuntimeClassName != "" {
		pod.Spec.RuntimeClassName = &s.RuntimeClassName
	}
	if s.PodTemplate != nil {
		merged, err := desired.MergePodTemplate(&corev1.PodTemplateSpec{Spec: pod.Spec}, s.PodTemplate.Raw)
		if err != nil {
			return nil, unknown("spec.podTemplate cannot be merged into a pod: %v", err)
		}
		pod.Spec = merged.Spec
		pod.Spec.NodeSelector = linux(pod.Spec.NodeSelector)
	}
	if name := pod.Spec.RuntimeClassName; name != nil && *name != "" {
		class, ok := classes[*name]
		if !ok {
			return nil, &verdict{devv1.SchedulableNo, devv1.ReasonNoNodeMatches, fmt.Sprintf("There is no RuntimeClass %q, so no server of this flavor can start.", *name)}
		}
		runAs(&pod.Spec, class)
	}
	limitsAreRequests(pod.Spec.InitContainers)
	limitsAreRequests(pod.Spec.Containers)
	return &candidate{spec: pod.Spec, affinity: nodeaffinity.GetRequiredNodeAffinity(pod), request: request(pod)}, nil
}

// linux is part of every server's node selector.
func linux(selector map[string]string) map[string]string {
	selector = maps.Clone(selector)
	if selector == nil {
		selector = map[string]string{}
	}
	selector[corev1.LabelOSStable] = "linux"
	return selector
}

// runAs adds what admission adds for a RuntimeClass.
func runAs(spec *corev1.PodSpec, class *nodev1.RuntimeClass) {
	if class.Overhead != nil {
		spec.Overhead = class.Overhead.PodFixed
	}
	if class.Scheduling != nil {
		maps.Copy(spec.NodeSelector, class.Scheduling.NodeSelector)
		spec.Tolerations = append(append([]corev1.Toleration{}, spec.Tolerations...), class.Scheduling.Tolerations...)
	}
}

// limitsAreRequests sets requests as the API server does: a GPU often has only
// a limit.
func limitsAreRequests(containers []corev1.Container) {
	for i := range containers {
		r := &containers[i].Resources
		requests := maps.Clone(r.Limits)
		if requests == nil {
			continue
		}
		maps.Copy(requests, r.Requests)
		r.Requests = requests
	}
}

// obstacle is why the node could not run the candidate even if it were empty,
// or nil.
func (b *candidate) obstacle(n node) *obstacle {
	if matches, err := b.affinity.Match(n.Node); err != nil || !matches {
		return &obstacle{"does not match nodeSelector or affinity", "do not match nodeSelector or affinity"}
	}
	if !ready(n.Node) {
		return &obstacle{"is not ready", "are not ready"}
	}
	if n.Spec.Unschedulable && !b.tolerates(corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}) {
		return &obstacle{"is cordoned", "are cordoned"}
	}
	if taint, found := b.untolerated(n.Spec.Taints); found {
		rest := " the taint " + taintName(taint) + ", which is not tolerated"
		return &obstacle{"has" + rest, "have" + rest}
	}
	if _, short := n.size.count(b.request); len(short) > 0 {
		rest := " too little " + names(short) + " even when empty"
		return &obstacle{"has" + rest, "have" + rest}
	}
	return nil
}

func (b *candidate) tolerates(taint corev1.Taint) bool {
	_, found := b.untolerated([]corev1.Taint{taint})
	return !found
}

// untolerated returns a taint that the candidate does not tolerate.
func (b *candidate) untolerated(taints []corev1.Taint) (corev1.Taint, bool) {
	return scheduling.FindMatchingUntoleratedTaint(logr.Discard(), taints, b.spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	}, true)
}

func ready(n *corev1.Node) bool { return objects.NodeReady(n) == corev1.ConditionTrue }

// decider is what else decides where the candidate can run, known only to the
// scheduler, or "".
func (b *candidate) decider() string {
	s := b.spec
	if s.SchedulerName != "" && s.SchedulerName != corev1.DefaultSchedulerName {
		return "the scheduler " + s.SchedulerName + " decides by rules of its own"
	}
	if a := s.Affinity; a != nil {
		if a.PodAffinity != nil && len(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
			return "the required pod affinity decides, which only the scheduler weighs"
		}
		if a.PodAntiAffinity != nil && len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
			return "the required pod anti-affinity decides, which only the scheduler weighs"
		}
	}
	for _, c := range s.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule {
			return "the spread over " + c.TopologyKey + " decides, which only the scheduler weighs"
		}
	}
	if len(s.ResourceClaims) > 0 {
		return "the resource claims decide, which only the scheduler can allocate"
	}
	return ""
}
