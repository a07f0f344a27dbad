package capacity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
)

// verdict is whether a flavor is schedulable, and why.
type verdict struct {
	schedulable     devv1.FlavorSchedulable
	reason, message string
}

func unknown(format string, args ...any) *verdict {
	return &verdict{devv1.SchedulableUnknown, devv1.ReasonNotComputed, fmt.Sprintf(format, args...)}
}

// judge says whether one more candidate finds a node. What only the scheduler
// knows matters only if there is room.
func (c *Cluster) judge(b *candidate, r room) verdict {
	if r.with > 0 {
		message := fits(r)
		if decider := b.decider(); decider != "" {
			return *unknown("By its size %s, but %s.", message, decider)
		}
		return verdict{devv1.SchedulableYes, devv1.ReasonFits, message + "."}
	}
	reason, message := noRoom(r)
	added, refused := c.pool(b)
	if added != "" {
		return verdict{devv1.SchedulableAutoscaled, devv1.ReasonNodePoolFits, message + " The Karpenter NodePool " + added + " would add one."}
	}
	return verdict{devv1.SchedulableNo, reason, strings.TrimSpace(message + " " + refused)}
}

// fits is "3 more fit on 2 of 5 nodes".
func fits(r room) string {
	verb := "fit"
	if r.fits == 1 {
		verb = "fits"
	}
	return fmt.Sprintf("%d more %s on %d of %s", r.fits, verb, r.with, counted(r.nodes, "node"))
}

// noRoom says what each node lacks.
func noRoom(r room) (reason, message string) {
	var others []string
	for _, o := range byCount(r.unfit, func(o obstacle) string { return o.one }) {
		n := r.unfit[o]
		others = append(others, fmt.Sprintf("%d %s", n, plural(n, o.one, o.many)))
	}
	if r.nodes == 0 {
		return devv1.ReasonNoNodeMatches, "There are no nodes."
	}
	if r.full == 0 {
		return devv1.ReasonNoNodeMatches, fmt.Sprintf("No node can run it: of %s, %s.", counted(r.nodes, "node"), list(others))
	}
	var shorts []string
	for i, name := range byCount(r.short, func(n corev1.ResourceName) string { return string(n) }) {
		verb := ""
		if i == 0 {
			verb = "is short "
		}
		shorts = append(shorts, fmt.Sprintf("%s %son %d", name, verb, r.short[name]))
	}
	message = fmt.Sprintf("No node has room: %s %s; %s.", counted(r.full, "node"), plural(r.full, "matches", "match"), list(shorts))
	if len(others) > 0 {
		message += fmt.Sprintf(" Of the other %d, %s.", r.nodes-r.full, list(others))
	}
	return devv1.ReasonNodesFull, message
}

// byCount sorts keys, those of the most nodes first.
func byCount[K comparable](counts map[K]int, name func(K) string) []K {
	return slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(name(a), name(b)))
	})
}

// maxListed keeps a message readable in a cluster of many kinds of nodes.
const maxListed = 4

// list is "a, b, c", cut after maxListed.
func list(items []string) string {
	if more := len(items) - maxListed; more > 0 {
		items = append(slices.Clone(items[:maxListed]), fmt.Sprintf("and %d more reasons", more))
	}
	return strings.Join(items, ", ")
}

func names(resources []corev1.ResourceName) string {
	slices.Sort(resources)
	words := make([]string, 0, len(resources))
	for _, r := range resources {
		words = append(words, string(r))
	}
	return strings.Join(words, " and ")
}

func counted(n int, noun string) string {
	return fmt.Sprintf("%d %s", n, plural(n, noun, noun+"s"))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
