package capacity_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/capacity"
)

// pool is a NodePool called gpu, as it stands in the API server.
func pool(t *testing.T, text string) unstructured.Unstructured {
	t.Helper()
	u := unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	u.SetAPIVersion("karpenter.sh/v1")
	u.SetKind("NodePool")
	if u.GetName() == "" {
		u.SetName("gpu")
	}
	return u
}

const fullCluster = "No node has room: 1 node matches; cpu is short on 1."

func autoscaled(message string) want {
	return want{devv1.SchedulableAutoscaled, 0, devv1.ReasonNodePoolFits, message}
}

func refused(why string) want {
	return full(fullCluster + " No Karpenter NodePool would add one: gpu " + why + ".")
}

type poolCase struct {
	reason string
	flavor *devv1.DevServerFlavor
	pool   string
	want   want
}

// run asks with the only node full, so that the pool decides.
func (c poolCase) run(t *testing.T) {
	o := with(nodes(node("a")), pod("a", asking("cpu", "8")))
	o.NodePools = []unstructured.Unstructured{pool(t, c.pool)}
	want := c.want
	statusCase{c.reason, c.flavor, o, want}.run(t)
}

func TestNodePoolRequirements(t *testing.T) {
	adds := autoscaled(fullCluster + " The Karpenter NodePool gpu would add one.")
	lacks := func(key string) want { return refused("has no nodes with the " + key + " that is asked for") }
	requires := func(key, operator, values string) string {
		return "{spec: {template: {spec: {requirements: [{key: " + key + ", operator: " + operator + ", values: [" + values + "]}]}}}}"
	}
	// The only node has any label that is asked for here.
	asks := func(key string, operator corev1.NodeSelectorOperator, values ...string) *devv1.DevServerFlavor {
		other := term(corev1.LabelHostname, corev1.NodeSelectorOpIn, "a")
		return flavor(affine(term(key, operator, values...), other))
	}
	const zone = corev1.LabelTopologyZone
	for _, c := range []poolCase{
		{"it requires nothing, and nothing is asked for", flavor(), "{}", adds},
		{"Windows only", flavor(), requires(corev1.LabelOSStable, "In", "windows"), lacks(corev1.LabelOSStable)},
		{"its values and those asked for have one in common", asks(zone, corev1.NodeSelectorOpIn, "a", "b"), requires(zone, "In", "b, c"), adds},
		{"they have none in common", asks(zone, corev1.NodeSelectorOpIn, "a"), requires(zone, "In", "b, c"), lacks(zone)},
		{"all it has is excluded", asks(zone, corev1.NodeSelectorOpNotIn, "b", "c"), requires(zone, "In", "b, c"), lacks(zone)},
		{"it excludes what is asked for", asks(zone, corev1.NodeSelectorOpIn, "a"), requires(zone, "NotIn", "a"), lacks(zone)},
		{"both exclude something", asks(zone, corev1.NodeSelectorOpNotIn, "a"), requires(zone, "NotIn", "b"), adds},
		{"a label of every cloud that it says nothing about", asks(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, "p5.48xlarge"), "{}", adds},
		{"a label of one cloud that it says nothing about", asks("karpenter.k8s.aws/instance-gpu-name", corev1.NodeSelectorOpIn, "h100"), "{}", adds},
		{"a custom label that the NodePool does not mention", asks("team", corev1.NodeSelectorOpIn, "ml"), "{}", lacks("team")},
		{"a custom label that must be absent, and is", asks("team", corev1.NodeSelectorOpDoesNotExist), "{}", adds},
		{"a custom label that must be absent, but exists", asks("team", corev1.NodeSelectorOpDoesNotExist), requires("team", "Exists", ""), lacks("team")},
		{"a label that it never has", asks("team", corev1.NodeSelectorOpExists), requires("team", "DoesNotExist", ""), lacks("team")},
		{"a label with any value, of which one is asked for", asks("team", corev1.NodeSelectorOpIn, "ml"), requires("team", "Exists", ""), adds},
		{"a label of its template", asks("team", corev1.NodeSelectorOpIn, "ml"), "{spec: {template: {metadata: {labels: {team: ml}}}}}", adds},
		{"another value in its template", asks("team", corev1.NodeSelectorOpIn, "web"), "{spec: {template: {metadata: {labels: {team: ml}}}}}", lacks("team")},
		{"numbers between two bounds", asks("cpus", corev1.NodeSelectorOpGt, "8"), requires("cpus", "Lt", `"10"`), adds},
		{"no number between two bounds", asks("cpus", corev1.NodeSelectorOpGt, "8"), requires("cpus", "Lt", `"9"`), lacks("cpus")},
		{"the number at an inclusive bound", asks("cpus", corev1.NodeSelectorOpLt, "9"), requires("cpus", "Gte", `"8"`), adds},
		{"a number above a bound among those listed", asks("cpus", corev1.NodeSelectorOpGt, "8"), requires("cpus", "In", `"4", "8", "16"`), adds},
		{"every node has a name", asks(corev1.LabelHostname, corev1.NodeSelectorOpExists), "{}", adds},
		{"no node that is added has this name", asks(corev1.LabelHostname, corev1.NodeSelectorOpIn, "b"), "{}", lacks(corev1.LabelHostname)},
		{"its own name", asks("karpenter.sh/nodepool", corev1.NodeSelectorOpIn, "gpu"), "{}", adds},
		{"another pool's name", asks("karpenter.sh/nodepool", corev1.NodeSelectorOpIn, "cpu"), "{}", lacks("karpenter.sh/nodepool")},
		{"spot machines", asks("karpenter.sh/capacity-type", corev1.NodeSelectorOpIn, "spot"), requires("karpenter.sh/capacity-type", "In", "on-demand"), lacks("karpenter.sh/capacity-type")},
	} {
		c.run(t)
	}
}

func TestNodePoolTaintsAndLimits(t *testing.T) {
	adds := autoscaled(fullCluster + " The Karpenter NodePool gpu would add one.")
	taints := `{spec: {template: {spec: {taints: [{key: gpu, effect: NoSchedule}], startupTaints: [{key: cni, effect: NoSchedule}]}}}}`
	for _, c := range []poolCase{
		{"a taint that is not tolerated", flavor(), taints, refused("has the taint gpu:NoSchedule, which is not tolerated")},
		{"a taint that is; a taint of the start goes by itself", flavor(tolerating(corev1.Toleration{Key: "gpu", Operator: corev1.TolerationOpExists})), taints, adds},
		{"its limits leave enough", flavor(), `{spec: {limits: {cpu: 10, memory: 100Gi}}, status: {resources: {cpu: "8", memory: 32Gi}}}`, adds},
		{"its limits leave too little", flavor(), `{spec: {limits: {cpu: 10}}, status: {resources: {cpu: 8500m}}}`, refused("has 1500m cpu left of its limit")},
		{"it is over its limit", flavor(), `{spec: {limits: {memory: 8Gi}}, status: {resources: {memory: 9Gi}}}`, refused("has 0 memory left of its limit")},
		{"a limit of what is not asked for", flavor(), `{spec: {limits: {nvidia.com/gpu: 0}}}`, adds},
		{"a limit of its nodes", flavor(), `{spec: {limits: {nodes: 2}}, status: {resources: {nodes: 2}}}`, refused("has 0 nodes left of its limit")},
		{"what is in use without a limit", flavor(), `{status: {resources: {cpu: 9000}}}`, adds},
		{"it is not ready", flavor(), `{status: {conditions: [{type: Ready, status: "False"}]}}`, refused("is not ready")},
		{"it is ready", flavor(), `{status: {conditions: [{type: Ready, status: "True"}]}}`, adds},
		{"it is on its way out", flavor(), `{metadata: {deletionTimestamp: "2020-01-01T00:00:00Z"}}`, refused("is being deleted")},
		{"its size is fixed", flavor(), `{spec: {replicas: 3}}`, refused("has a fixed number of nodes")},
		{"it is of another form", flavor(), `{spec: {template: none}}`, refused("cannot be read as karpenter.sh/v1")},
	} {
		c.run(t)
	}
}

func TestNodePoolsAmongOthers(t *testing.T) {
	small := pool(t, "{metadata: {name: small}, spec: {limits: {cpu: 1}}}")
	large := pool(t, "{metadata: {name: large}}")
	away := pool(t, "{metadata: {name: away}, spec: {template: {spec: {taints: [{key: away, effect: NoSchedule}]}}}}")
	pools := func(o capacity.Observed, list ...unstructured.Unstructured) capacity.Observed {
		o.NodePools = list
		return o
	}
	taken := with(nodes(node("a")), pod("a", asking("cpu", "8")))
	for _, c := range []statusCase{
		{"a node that has room comes before one that would be added", flavor(), pools(nodes(node("a")), large), yes(4, "4 more fit on 1 of 1 node.")},
		{"one of several is enough", flavor(), pools(taken, small, large, away), autoscaled(fullCluster + " The Karpenter NodePool large would add one.")},
		{"each says why not, in the order of their names", flavor(), pools(taken, small, away), full(fullCluster + " No Karpenter NodePool would add one: away has the taint away:NoSchedule, which is not tolerated, small has 1 cpu left of its limit.")},
		{"a cluster that begins with no node", flavor(), pools(nodes(), large), autoscaled("There are no nodes. The Karpenter NodePool large would add one.")},
		{"a named node cannot be added", flavor(affine(corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}}})), pools(taken, large), full(fullCluster + " No Karpenter NodePool would add one: large has no nodes with the name that is asked for.")},
	} {
		c.run(t)
	}
}
