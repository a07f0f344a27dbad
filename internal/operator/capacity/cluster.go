// Package capacity computes the status of flavors: whether a node has room for
// one more server, how many more fit, how many are in use, and which flavor is
// the default. It counts as the scheduler does. It is pure.
package capacity

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	devv1 "devserver.io/devserver/api/v1"
)

// Observed is what the cluster has.
type Observed struct {
	Nodes          []corev1.Node
	Pods           []corev1.Pod
	DevServers     []devv1.DevServer
	Flavors        []devv1.DevServerFlavor
	RuntimeClasses []nodev1.RuntimeClass
	// NodePools are Karpenter's, if it is installed.
	NodePools []unstructured.Unstructured
}

// Cluster is what was observed, added up once for all flavors.
type Cluster struct {
	nodes          []node
	pools          []nodePool
	runtimeClasses map[string]*nodev1.RuntimeClass
	defaultFlavor  *devv1.DevServerFlavor
	inUse          map[string]int32
}

type node struct {
	*corev1.Node
	// size is what an empty node has, free what its pods leave.
	size, free amounts
}

// Sum adds up what was observed.
func Sum(o Observed) *Cluster {
	c := &Cluster{
		nodes:          make([]node, 0, len(o.Nodes)),
		runtimeClasses: make(map[string]*nodev1.RuntimeClass, len(o.RuntimeClasses)),
		defaultFlavor:  Default(o.Flavors),
		inUse:          inUse(o.Pods, o.DevServers),
		pools:          nodePools(o.NodePools),
	}
	byName := make(map[string]amounts, len(o.Nodes))
	for i := range o.Nodes {
		n := node{Node: &o.Nodes[i], size: amountsOf(o.Nodes[i].Status.Allocatable), free: amountsOf(o.Nodes[i].Status.Allocatable)}
		byName[n.Name] = n.free
		c.nodes = append(c.nodes, n)
	}
	for i := range o.Pods {
		pod := &o.Pods[i]
		if free, ok := byName[pod.Spec.NodeName]; ok && !terminal(pod) {
			free.hold(pod)
		}
	}
	for i := range o.RuntimeClasses {
		c.runtimeClasses[o.RuntimeClasses[i].Name] = &o.RuntimeClasses[i]
	}
	return c
}

// terminal tells whether a pod no longer uses resources. A pod that is being
// deleted still does.
func terminal(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// room is how many candidates the nodes have room for, and why others have
// none.
type room struct {
	fits  int64
	nodes int // all there are
	with  int // those with room
	full  int // those that would have room, were they empty
	short map[corev1.ResourceName]int
	// unfit counts the nodes that could not run it even if they were empty.
	unfit map[obstacle]int
}

// obstacle is something that keeps a candidate off a node, in words for one
// node and for many.
type obstacle struct{ one, many string }

func (c *Cluster) room(b *candidate) room {
	r := room{nodes: len(c.nodes), short: map[corev1.ResourceName]int{}, unfit: map[obstacle]int{}}
	for _, n := range c.nodes {
		if o := b.obstacle(n); o != nil {
			r.unfit[*o]++
			continue
		}
		times, short := n.free.count(b.request)
		if len(short) == 0 {
			r.with++
			r.fits += times // Each pod counts as one of the node's pods, so this does not overflow.
			continue
		}
		r.full++
		for _, name := range short {
			r.short[name]++
		}
	}
	return r
}

func taintName(t corev1.Taint) string {
	if t.Value == "" {
		return fmt.Sprintf("%s:%s", t.Key, t.Effect)
	}
	return fmt.Sprintf("%s=%s:%s", t.Key, t.Value, t.Effect)
}
