package capacity_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

const gpu corev1.ResourceName = "nvidia.com/gpu"

// quantities is a ResourceList: quantities("cpu", "4", "memory", "1Gi").
func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

// node is a ready Linux node of 8 CPUs, 32Gi and 110 pods.
func node(name string, edits ...func(*corev1.Node)) corev1.Node {
	n := corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			corev1.LabelOSStable: "linux", corev1.LabelHostname: name,
		}},
		Status: corev1.NodeStatus{
			Allocatable: quantities("cpu", "8", "memory", "32Gi", "pods", "110"),
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	for _, edit := range edits {
		edit(&n)
	}
	return n
}

func has(name corev1.ResourceName, value string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Status.Allocatable[name] = resource.MustParse(value) }
}

func labelled(key, value string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Labels[key] = value }
}

func tainted(key, value string, effect corev1.TaintEffect) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Value: value, Effect: effect})
	}
}

func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }

func notReady(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }

var podNumber int

// pod runs on a node and asks for the given resources.
func pod(on string, edits ...func(*corev1.Pod)) corev1.Pod {
	podNumber++
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%d", podNumber), Namespace: "elsewhere"},
		Spec:       corev1.PodSpec{NodeName: on, Containers: []corev1.Container{{Name: "main"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func asking(pairs ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests = quantities(pairs...) }
}

func inPhase(phase corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func terminating(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }

// server is a DevServer's pod.
func server(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Namespace, p.Name, p.Labels = "dev", objects.PodName(name), objects.Labels(name)
	}
}

// flavor requests 2 CPUs and 4Gi, and nothing for the SSH server.
func flavor(edits ...func(*devv1.DevServerFlavorSpec)) *devv1.DevServerFlavor {
	f := &devv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: "medium", Generation: 3}}
	f.Spec.Resources.Requests = quantities("cpu", "2", "memory", "4Gi")
	f.Spec.SSHResources = &corev1.ResourceRequirements{Requests: quantities("cpu", "0", "memory", "0")}
	for _, edit := range edits {
		edit(&f.Spec)
	}
	return f
}

func withGPU(s *devv1.DevServerFlavorSpec) { s.Resources.Limits = quantities(string(gpu), "1") }

func selecting(key, value string) func(*devv1.DevServerFlavorSpec) {
	return func(s *devv1.DevServerFlavorSpec) { s.NodeSelector = map[string]string{key: value} }
}

func tolerating(t corev1.Toleration) func(*devv1.DevServerFlavorSpec) {
	return func(s *devv1.DevServerFlavorSpec) { s.Tolerations = append(s.Tolerations, t) }
}

func affine(terms ...corev1.NodeSelectorTerm) func(*devv1.DevServerFlavorSpec) {
	return func(s *devv1.DevServerFlavorSpec) {
		s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms},
		}}
	}
}

func term(key string, operator corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorTerm {
	return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: operator, Values: values}}}
}
