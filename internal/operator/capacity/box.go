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

// box is what the scheduler would look at of a server of the flavor.
type box struct {
	spec     corev1.PodSpec
	affinity nodeaffinity.RequiredNodeAffinity
	request  amounts
}

// newBox returns the box of a flavor. Its init container is left out: it never
// asks for more than the box.
func newBox(f *devv1.DevServerFlavor, classes map[string]*nodev1.RuntimeClass) (*box, *verdict) {
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
	return &box{spec: pod.Spec, affinity: nodeaffinity.GetRequiredNodeAffinity(pod), request: request(pod)}, nil
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

// limitsAreRequests fills requests in as the API server does: a GPU is often
// given as a limit only.
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

// obstacle is why the node could not run the box however empty it were, or nil.
func (b *box) obstacle(n node) *obstacle {
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

func (b *box) tolerates(taint corev1.Taint) bool {
	_, found := b.untolerated([]corev1.Taint{taint})
	return !found
}

// untolerated returns a taint that keeps the box away.
func (b *box) untolerated(taints []corev1.Taint) (corev1.Taint, bool) {
	return scheduling.FindMatchingUntoleratedTaint(logr.Discard(), taints, b.spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	}, true)
}

func ready(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// decider is what only the scheduler knows of where the box may go, or "".
func (b *box) decider() string {
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
