package capacity_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/capacity"
)

type want struct {
	schedulable devv1.FlavorSchedulable
	fits        int32
	reason      string
	message     string
}

type statusCase struct {
	reason   string
	flavor   *devv1.DevServerFlavor
	observed capacity.Observed
	want     want
}

func (c statusCase) run(t *testing.T) {
	t.Run(c.reason, func(t *testing.T) {
		s := capacity.Sum(c.observed).Status(c.flavor, time.Unix(0, 0))
		is := meta.FindStatusCondition(s.Conditions, devv1.ConditionSchedulable)
		got := want{s.Schedulable, -1, is.Reason, is.Message}
		if s.Fits != nil {
			got.fits = *s.Fits
		}
		if got != c.want {
			t.Errorf("got  %+v\nwant %+v", got, c.want)
		}
		state := map[devv1.FlavorSchedulable]metav1.ConditionStatus{
			devv1.SchedulableYes: metav1.ConditionTrue, devv1.SchedulableAutoscaled: metav1.ConditionTrue,
			devv1.SchedulableNo: metav1.ConditionFalse, devv1.SchedulableUnknown: metav1.ConditionUnknown,
		}[c.want.schedulable]
		if is.Status != state || is.ObservedGeneration != c.flavor.Generation || s.ObservedGeneration != c.flavor.Generation {
			t.Errorf("the condition is %+v, observedGeneration %d", is, s.ObservedGeneration)
		}
	})
}

func nodes(list ...corev1.Node) capacity.Observed { return capacity.Observed{Nodes: list} }

// pointers is a list as the watch cache has it.
func with(o capacity.Observed, pods ...corev1.Pod) capacity.Observed {
	o.Pods = pods
	return o
}

func yes(fits int32, message string) want {
	return want{devv1.SchedulableYes, fits, devv1.ReasonFits, message}
}

func full(message string) want {
	return want{devv1.SchedulableNo, 0, devv1.ReasonNodesFull, message}
}

func none(message string) want {
	return want{devv1.SchedulableNo, 0, devv1.ReasonNoNodeMatches, message}
}

func TestPodsTakeRoom(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	for _, c := range []statusCase{
		{"an empty node has room for what its scarcest resource allows", flavor(), nodes(node("a")), yes(4, "4 more fit on 1 of 1 node.")},
		{"nodes add up, and each for itself", flavor(), with(nodes(node("a"), node("b"), node("c")), pod("a", asking("cpu", "7")), pod("b", asking("cpu", "3"))), yes(6, "6 more fit on 2 of 3 nodes.")},
		{"one more fits, in the singular", flavor(), with(nodes(node("a")), pod("a", asking("cpu", "5500m"))), yes(1, "1 more fits on 1 of 1 node.")},
		{"a pod that ended holds nothing", flavor(), with(nodes(node("a")), pod("a", asking("cpu", "8"), inPhase(corev1.PodSucceeded)), pod("a", asking("cpu", "8"), inPhase(corev1.PodFailed))), yes(4, "4 more fit on 1 of 1 node.")},
		{"a terminating pod still holds what it has", flavor(), with(nodes(node("a")), pod("a", asking("cpu", "8"), terminating)), full("No node has room: 1 node matches; cpu is short on 1.")},
		{"a pod without a node holds nothing", flavor(), with(nodes(node("a")), pod("", asking("cpu", "8"), inPhase(corev1.PodPending))), yes(4, "4 more fit on 1 of 1 node.")},
		{"a pod on a node that starts holds it already", flavor(), with(nodes(node("a")), pod("a", asking("cpu", "4"), inPhase(corev1.PodPending))), yes(2, "2 more fit on 1 of 1 node.")},
		{"the largest init container counts where it asks for more", flavor(), with(nodes(node("a")), pod("a", asking("cpu", "1"), func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: quantities("cpu", "6")}}}
		})), yes(1, "1 more fits on 1 of 1 node.")},
		{"a sidecar counts beside the containers", flavor(), with(nodes(node("a")), pod("a", asking("cpu", "3"), func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: quantities("cpu", "3")}}}
		})), yes(1, "1 more fits on 1 of 1 node.")},
		{"overhead of a runtime class counts", flavor(), with(nodes(node("a")), pod("a", asking("cpu", "6"), func(p *corev1.Pod) { p.Spec.Overhead = quantities("cpu", "1") })), full("No node has room: 1 node matches; cpu is short on 1.")},
		{"what a pod asks for as a whole replaces the sum of its containers", flavor(), with(nodes(node("a")), pod("a", asking("cpu", "1"), func(p *corev1.Pod) {
			p.Spec.Resources = &corev1.ResourceRequirements{Requests: quantities("cpu", "7")}
		})), full("No node has room: 1 node matches; cpu is short on 1.")},
		{"a shrinking pod holds what it still has", flavor(), with(nodes(node("a")), pod("a", asking("cpu", "1"), func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", AllocatedResources: quantities("cpu", "7")}}
		})), full("No node has room: 1 node matches; cpu is short on 1.")},
		{"the number of pods is bounded too", flavor(), with(nodes(node("a", has(corev1.ResourcePods, "2"))), pod("a"), pod("a")), full("No node has room: 1 node matches; pods is short on 1.")},
		{"a flavor that asks for nothing is bounded by the number of pods", flavor(func(s *devv1.DevServerFlavorSpec) { s.Resources.Requests = nil }), nodes(node("a", has(corev1.ResourcePods, "7"))), yes(7, "7 more fit on 1 of 1 node.")},
		{"more is held than there is: still none, and nothing wraps around", flavor(), with(nodes(node("a"), node("b")), pod("a", asking("memory", "9Ei")), pod("a", asking("memory", "9Ei"))), yes(4, "4 more fit on 1 of 2 nodes.")},
	} {
		c.run(t)
	}
}

func TestGPUs(t *testing.T) {
	for _, c := range []statusCase{
		{"a limit alone is a request", flavor(withGPU), nodes(node("a", has(gpu, "2")), node("b")), yes(2, "2 more fit on 1 of 2 nodes.")},
		{"every GPU is taken", flavor(withGPU), with(nodes(node("a", has(gpu, "1")), node("b", has(gpu, "1"))), pod("a", asking(string(gpu), "1")), pod("b", asking(string(gpu), "1", "memory", "30Gi"))), full("No node has room: 2 nodes match; nvidia.com/gpu is short on 2, memory on 1.")},
		{"a request below its limit is what counts", flavor(func(s *devv1.DevServerFlavorSpec) { s.Resources.Limits = quantities("cpu", "64") }), nodes(node("a")), yes(4, "4 more fit on 1 of 1 node.")},
		{"no node has any", flavor(withGPU), nodes(node("a"), node("b")), none("No node can run it: of 2 nodes, 2 have too little nvidia.com/gpu even when empty.")},
	} {
		c.run(t)
	}
}

func TestNodesThatDoNotMatch(t *testing.T) {
	everything := corev1.Toleration{Operator: corev1.TolerationOpExists}
	for _, c := range []statusCase{
		{"there is none at all", flavor(), nodes(), none("There are no nodes.")},
		{"too large for every node", flavor(func(s *devv1.DevServerFlavorSpec) { s.Resources.Requests = quantities("cpu", "9", "memory", "1Ti") }), nodes(node("a")), none("No node can run it: of 1 node, 1 has too little cpu and memory even when empty.")},
		{"cordoned", flavor(), nodes(node("a", cordoned)), none("No node can run it: of 1 node, 1 is cordoned.")},
		{"a cordon can be tolerated", flavor(tolerating(everything)), nodes(node("a", cordoned)), yes(4, "4 more fit on 1 of 1 node.")},
		{"not ready, whatever is tolerated", flavor(tolerating(everything)), nodes(node("a", notReady), node("b", notReady)), none("No node can run it: of 2 nodes, 2 are not ready.")},
		{"another label than is selected", flavor(selecting("pool", "gpu")), nodes(node("a", labelled("pool", "cpu")), node("b")), none("No node can run it: of 2 nodes, 2 do not match nodeSelector or affinity.")},
		{"the label that is selected", flavor(selecting("pool", "gpu")), nodes(node("a", labelled("pool", "gpu")), node("b")), yes(4, "4 more fit on 1 of 2 nodes.")},
		{"any of the affinity's terms will do", flavor(affine(term("pool", corev1.NodeSelectorOpIn, "x"), term("cpus", corev1.NodeSelectorOpGt, "4"))), nodes(node("a", labelled("cpus", "8")), node("b", labelled("cpus", "4"))), yes(4, "4 more fit on 1 of 2 nodes.")},
		{"servers run on Linux only", flavor(), nodes(node("a", labelled(corev1.LabelOSStable, "windows"))), none("No node can run it: of 1 node, 1 does not match nodeSelector or affinity.")},
		{"a taint", flavor(), nodes(node("a", tainted("nvidia.com/gpu", "", corev1.TaintEffectNoSchedule))), none("No node can run it: of 1 node, 1 has the taint nvidia.com/gpu:NoSchedule, which is not tolerated.")},
		{"a taint that is tolerated", flavor(tolerating(corev1.Toleration{Key: "gpu", Value: "yes"})), nodes(node("a", tainted("gpu", "yes", corev1.TaintEffectNoExecute))), yes(4, "4 more fit on 1 of 1 node.")},
		{"a taint that only discourages", flavor(), nodes(node("a", tainted("old", "", corev1.TaintEffectPreferNoSchedule))), yes(4, "4 more fit on 1 of 1 node.")},
		{"each node with its own reason", flavor(), with(nodes(node("a", cordoned), node("b", notReady), node("c", notReady), node("d")), pod("d", asking("cpu", "8"))), full("No node has room: 1 node matches; cpu is short on 1. Of the other 3, 2 are not ready, 1 is cordoned.")},
	} {
		c.run(t)
	}
}

func TestWhatOnlyTheSchedulerKnows(t *testing.T) {
	spread := func(s *devv1.DevServerFlavorSpec) {
		s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule}}
	}
	volcano := func(s *devv1.DevServerFlavorSpec) { s.SchedulerName = "volcano" }
	terms := []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname}}
	unknown := func(message string) want {
		return want{devv1.SchedulableUnknown, 4, devv1.ReasonNotComputed, message}
	}
	for _, c := range []statusCase{
		{"another scheduler", flavor(volcano), nodes(node("a")), unknown("By its size 4 more fit on 1 of 1 node, but the scheduler volcano decides by rules of its own.")},
		{"another scheduler does not make room", flavor(volcano), nodes(node("a", cordoned)), none("No node can run it: of 1 node, 1 is cordoned.")},
		{"the default scheduler by its name", flavor(func(s *devv1.DevServerFlavorSpec) { s.SchedulerName = corev1.DefaultSchedulerName }), nodes(node("a")), yes(4, "4 more fit on 1 of 1 node.")},
		{"a spread that is required", flavor(spread), nodes(node("a")), unknown("By its size 4 more fit on 1 of 1 node, but the spread over topology.kubernetes.io/zone decides, which only the scheduler weighs.")},
		{"a spread that is wished for", flavor(spread, func(s *devv1.DevServerFlavorSpec) {
			s.TopologySpreadConstraints[0].WhenUnsatisfiable = corev1.ScheduleAnyway
		}), nodes(node("a")), yes(4, "4 more fit on 1 of 1 node.")},
		{"required pod affinity", flavor(func(s *devv1.DevServerFlavorSpec) {
			s.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}}
		}), nodes(node("a")), unknown("By its size 4 more fit on 1 of 1 node, but the required pod affinity decides, which only the scheduler weighs.")},
		{"required pod anti-affinity", flavor(func(s *devv1.DevServerFlavorSpec) {
			s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}}
		}), nodes(node("a")), unknown("By its size 4 more fit on 1 of 1 node, but the required pod anti-affinity decides, which only the scheduler weighs.")},
	} {
		c.run(t)
	}
}

// TestSSHServerCounts: the SSH server's share is part of what a server requests.
func TestSSHServerCounts(t *testing.T) {
	share := func(r *corev1.ResourceRequirements) func(*devv1.DevServerFlavorSpec) {
		return func(s *devv1.DevServerFlavorSpec) { s.SSHResources = r }
	}
	limits := func(s *devv1.DevServerFlavorSpec) {
		s.Resources = corev1.ResourceRequirements{Limits: quantities("cpu", "2", "memory", "4Gi")}
	}
	for _, c := range []statusCase{
		{"the default is 10m", flavor(share(nil)), nodes(node("a", has(corev1.ResourceCPU, "4019m"))), yes(1, "1 more fits on 1 of 1 node.")},
		{"there is room for two", flavor(share(nil)), nodes(node("a", has(corev1.ResourceCPU, "4020m"))), yes(2, "2 more fit on 1 of 1 node.")},
		{"the flavor's own", flavor(share(&corev1.ResourceRequirements{Requests: quantities("cpu", "1")})), nodes(node("a")), yes(2, "2 more fit on 1 of 1 node.")},
		{"500m in a pod of the class Guaranteed", flavor(share(nil), limits), nodes(node("a")), yes(3, "3 more fit on 1 of 1 node.")},
	} {
		c.run(t)
	}
}

func TestPodTemplateAndRuntimeClass(t *testing.T) {
	template := func(raw string) func(*devv1.DevServerFlavorSpec) {
		return func(s *devv1.DevServerFlavorSpec) { s.PodTemplate = &runtime.RawExtension{Raw: []byte(raw)} }
	}
	kata := func(s *devv1.DevServerFlavorSpec) { s.RuntimeClassName = "kata" }
	classes := nodes(node("a", tainted("kata", "", corev1.TaintEffectNoSchedule), labelled("kata", "yes")), node("b"))
	classes.RuntimeClasses = []nodev1.RuntimeClass{{
		ObjectMeta: metav1.ObjectMeta{Name: "kata"},
		Overhead:   &nodev1.Overhead{PodFixed: quantities("cpu", "2")},
		Scheduling: &nodev1.Scheduling{
			NodeSelector: map[string]string{"kata": "yes"},
			Tolerations:  []corev1.Toleration{{Key: "kata", Operator: corev1.TolerationOpExists}},
		},
	}}
	for _, c := range []statusCase{
		{"a sidecar of the overlay counts, also by its limits", flavor(template(`{"spec":{"containers":[{"name":"proxy","resources":{"limits":{"cpu":"2"}}}]}}`)), nodes(node("a")), yes(2, "2 more fit on 1 of 1 node.")},
		{"the overlay changes the server's container", flavor(template(`{"spec":{"containers":[{"name":"devserver","resources":{"requests":{"cpu":"8"}}}]}}`)), nodes(node("a")), yes(1, "1 more fits on 1 of 1 node.")},
		{"an overlay that is no pod template", flavor(template(`{"spec":{"containers":"none"}}`)), nodes(node("a")), want{devv1.SchedulableUnknown, -1, devv1.ReasonNotComputed, "spec.podTemplate cannot be merged into a pod: json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container"}},
		{"an overlay with a misspelt field, with which no server starts", flavor(template(`{"spec":{"hostAlias":[]}}`)), nodes(node("a")), want{devv1.SchedulableUnknown, -1, devv1.ReasonNotComputed, `spec.podTemplate cannot be merged into a pod: unknown field "spec.hostAlias"`}},
		{"the runtime class adds overhead and selects nodes", flavor(kata), classes, yes(2, "2 more fit on 1 of 2 nodes.")},
		{"there is no such runtime class", flavor(kata), nodes(node("a")), none(`There is no RuntimeClass "kata", so no server of this flavor can start.`)},
	} {
		c.run(t)
	}
}
