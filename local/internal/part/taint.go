package part

import (
	"fmt"
	"regexp"
	"strings"
)

// Taint keeps pods that do not tolerate it off a node.
type Taint struct{ Key, Value, Effect string }

var validTaint = regexp.MustCompile(`^([a-zA-Z0-9][-._/a-zA-Z0-9]*)(?:=([-._a-zA-Z0-9]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$`)

// ParseTaint parses a taint in the form of "kubectl taint".
func ParseTaint(text string) (Taint, error) {
	found := validTaint.FindStringSubmatch(text)
	if found == nil {
		return Taint{}, fmt.Errorf("%q is not a taint: use KEY=VALUE:EFFECT or KEY:EFFECT, where EFFECT is NoSchedule, PreferNoSchedule or NoExecute", text)
	}
	return Taint{Key: found[1], Value: found[2], Effect: found[3]}, nil
}

// listed formats taints for a kubelet's configuration.
func listed(taints []Taint) string {
	items := make([]string, 0, len(taints))
	for _, t := range taints {
		items = append(items, fmt.Sprintf("{key: %q, value: %q, effect: %q}", t.Key, t.Value, t.Effect))
	}
	return "[" + strings.Join(items, ", ") + "]"
}
