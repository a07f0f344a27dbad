package capacity

import (
	"errors"
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

// newCandidate returns the candidate of a flavor.
func newCandidate(f *devv1.DevServerFlavor, classes map[string]*nodev1.RuntimeClass) (*candidate, *verdict) {
	spec, err := desired.PodSpec(f)
	if overlay, ok := errors.AsType[*desired.OverlayError](err); ok {
		return nil, unknown("spec.podTemplate cannot be merged into a pod: %v", overlay.Err)
	}
	if err != nil {
		return nil, unknown("no pod can be rendered: %v", err)
	}
	if name := spec.RuntimeClassName; name != nil && *name != "" {
		class, ok := classes[*name]
		if !ok {
			return nil, &verdict{devv1.SchedulableNo, devv1.ReasonNoNodeMatches, fmt.Sprintf("There is no RuntimeClass %q, so no server of this flavor can start.", *name)}
		}
		runAs(&spec, class)
	}
	limitsAreRequests(spec.InitContainers)
	limitsAreRequests(spec.Containers)
	pod := &corev1.Pod{Spec: spec}
	return &candidate{spec: spec, affinity: nodeaffinity.GetRequiredNodeAffinity(pod), request: request(pod)}, nil
}

// runAs adds what admission adds for a RuntimeClass.
func runAs(spec *corev1.PodSpec, class *nodev1.RuntimeClass) {
	if class.Overhead != nil {
		spec.Overhead = class.Overhead.PodFixed
	}
	if class.Scheduling != nil {
		if spec.NodeSelector == nil {
			spec.NodeSelector = map[string]string{}
		}
		maps.Copy(spec.NodeSelector, class.Scheduling.NodeSelector)
		spec.Tolerations = append(spec.Tolerations, class.Scheduling.Tolerations...)
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
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	if _, found := b.untolerated([]corev1.Taint{cordon}); found && n.Spec.Unschedulable {
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
