package capacity_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/capacity"
)

// What is left of pods and nodes in the watch cache gives the same status as
// the whole of them.
func TestStripped(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	whole := with(nodes(node("a", labelled("pool", "gpu"), has(gpu, "8"), tainted("t", "", corev1.TaintEffectNoSchedule)), node("b", cordoned), node("c", notReady)),
		pod("a", asking("cpu", "1", string(gpu), "2"), func(p *corev1.Pod) {
			p.Labels = map[string]string{"app": "x"}
			p.Spec.InitContainers = []corev1.Container{{RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: quantities("cpu", "1")}}}
			p.Spec.Overhead = quantities("memory", "1Gi")
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", AllocatedResources: quantities("memory", "4Gi")}}
		}),
		pod("a", asking("cpu", "1"), inPhase(corev1.PodSucceeded)),
		pod("a", asking("cpu", "2"), terminating))
	f := flavor(withGPU, selecting("pool", "gpu"), tolerating(corev1.Toleration{Key: "t", Operator: corev1.TolerationOpExists}))
	want := capacity.Sum(whole).Status(f, time.Unix(0, 0))
	if *want.Fits != 2 || want.Schedulable != devv1.SchedulableYes {
		t.Fatalf("before anything is stripped, %d fit: %+v", *want.Fits, want.Conditions)
	}
	// Twice: the cache may show an object to its transform again.
	for range 2 {
		for i := range whole.Pods {
			capacity.StripPod(&whole.Pods[i])
			if p := whole.Pods[i]; p.Labels != nil || len(p.Spec.Containers) > 1 || p.Status.ContainerStatuses != nil || p.Spec.InitContainers != nil {
				t.Errorf("of a pod there is left %+v", p)
			}
		}
		for i := range whole.Nodes {
			capacity.StripNode(&whole.Nodes[i])
		}
		if diff := cmp.Diff(want, capacity.Sum(whole).Status(f, time.Unix(0, 0))); diff != "" {
			t.Errorf("what is left gives another status (-whole +stripped):\n%s", diff)
		}
	}
}

func TestNodeChanged(t *testing.T) {
	for _, c := range []struct {
		reason string
		edit   func(*corev1.Node)
		want   bool
	}{
		{"a heartbeat", func(n *corev1.Node) {
			n.ResourceVersion = "2"
			n.Status.Conditions[0].LastHeartbeatTime.Time = time.Unix(9, 0)
		}, false},
		{"images", func(n *corev1.Node) { n.Status.Images = []corev1.ContainerImage{{SizeBytes: 1}} }, false},
		{"the same amount in other words", has(corev1.ResourceCPU, "8000m"), false},
		{"a cordon", cordoned, true},
		{"readiness", notReady, true},
		{"a taint", tainted("t", "", corev1.TaintEffectNoSchedule), true},
		{"a label", labelled("pool", "gpu"), true},
		{"GPUs", has(gpu, "8"), true},
	} {
		before, after := node("a"), node("a", c.edit)
		if got := capacity.NodeChanged(&before, &after); got != c.want {
			t.Errorf("%s: %v, want %v", c.reason, got, c.want)
		}
	}
}

func TestPodChanged(t *testing.T) {
	base := pod("a", asking("cpu", "1"))
	pending := func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = "", corev1.PodPending }
	for _, c := range []struct {
		reason        string
		before, after func(*corev1.Pod)
		want          bool
	}{
		{"its readiness", nil, func(p *corev1.Pod) { p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady}} }, false},
		{"it starts to run", inPhase(corev1.PodPending), nil, false},
		{"it begins to terminate", nil, terminating, false},
		{"it gets a node", pending, nil, true},
		{"it ends", nil, inPhase(corev1.PodSucceeded), true},
		{"it is made smaller", nil, asking("cpu", "500m"), true},
		{"it waits, and belongs to no server", pending, func(p *corev1.Pod) { pending(p); p.Labels = map[string]string{"a": "b"} }, false},
		{"it ended before and is changed", inPhase(corev1.PodFailed), func(p *corev1.Pod) { inPhase(corev1.PodFailed)(p); asking("cpu", "9")(p) }, false},
	} {
		before, after := base.DeepCopy(), base.DeepCopy()
		if c.before != nil {
			c.before(before)
		}
		if c.after != nil {
			c.after(after)
		}
		if got := capacity.PodChanged(before, after); got != c.want {
			t.Errorf("%s: %v, want %v", c.reason, got, c.want)
		}
	}
	waiting := pod("", server("x"))
	if !capacity.PodMatters(&waiting) {
		t.Error("a server that waits for a node is in use, and does not matter")
	}
}
