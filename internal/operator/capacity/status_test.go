package capacity_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/capacity"
)

func TestInUse(t *testing.T) {
	devServer := func(name, spec, status string) devv1.DevServer {
		return devv1.DevServer{
			ObjectMeta: metav1.ObjectMeta{Namespace: "dev", Name: name},
			Spec:       devv1.DevServerSpec{Flavor: spec}, Status: devv1.DevServerStatus{Flavor: status},
		}
	}
	elsewhere := func(p *corev1.Pod) { p.Namespace = "other" }
	unlabelled := func(p *corev1.Pod) { p.Labels = nil }
	for _, c := range []struct {
		reason  string
		servers []devv1.DevServer
		pods    []corev1.Pod
		want    int32
	}{
		{"a server that runs", []devv1.DevServer{devServer("x", "medium", "medium")}, []corev1.Pod{pod("a", server("x"))}, 1},
		{"a server that waits for a node", []devv1.DevServer{devServer("x", "medium", "medium")}, []corev1.Pod{pod("", server("x"), inPhase(corev1.PodPending))}, 1},
		{"a server that is on its way out still holds its place", []devv1.DevServer{devServer("x", "medium", "medium")}, []corev1.Pod{pod("a", server("x"), terminating)}, 1},
		{"a server whose pod ended", []devv1.DevServer{devServer("x", "medium", "medium")}, []corev1.Pod{pod("a", server("x"), inPhase(corev1.PodFailed))}, 0},
		{"a server without a pod", []devv1.DevServer{devServer("x", "medium", "medium")}, nil, 0},
		{"a server that names no flavor has the default one", []devv1.DevServer{devServer("x", "", "medium")}, []corev1.Pod{pod("a", server("x"))}, 1},
		{"a server whose status is not written yet", []devv1.DevServer{devServer("x", "medium", "")}, []corev1.Pod{pod("a", server("x"))}, 1},
		{"a server of another flavor", []devv1.DevServer{devServer("x", "large", "large")}, []corev1.Pod{pod("a", server("x"))}, 0},
		{"a pod of the same name in another namespace", []devv1.DevServer{devServer("x", "medium", "medium")}, []corev1.Pod{pod("a", server("x"), elsewhere)}, 0},
		{"a pod of the same name that belongs to no server", []devv1.DevServer{devServer("x", "medium", "medium")}, []corev1.Pod{pod("a", server("x"), unlabelled)}, 0},
	} {
		t.Run(c.reason, func(t *testing.T) {
			s := capacity.Sum(capacity.Observed{Pods: c.pods, DevServers: c.servers}).Status(flavor(), time.Unix(0, 0))
			if *s.InUse != c.want {
				t.Errorf("in use: %d, want %d", *s.InUse, c.want)
			}
		})
	}
}

func TestDefault(t *testing.T) {
	named := func(name string, age int, isDefault bool) devv1.DevServerFlavor {
		return devv1.DevServerFlavor{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Unix(int64(-age), 0))},
			Spec:       devv1.DevServerFlavorSpec{Default: isDefault},
		}
	}
	for _, c := range []struct {
		reason  string
		flavors []devv1.DevServerFlavor
		want    map[string]string
	}{
		{"none claims it", []devv1.DevServerFlavor{named("a", 9, false)}, map[string]string{"a": devv1.ReasonNotDefault}},
		{"one claims it", []devv1.DevServerFlavor{named("a", 9, false), named("b", 1, true)}, map[string]string{"a": devv1.ReasonNotDefault, "b": devv1.ReasonIsDefault}},
		{"the older wins", []devv1.DevServerFlavor{named("a", 1, true), named("b", 9, true)}, map[string]string{"a": devv1.ReasonOlderDefault, "b": devv1.ReasonIsDefault}},
		{"of the same age, the first by name", []devv1.DevServerFlavor{named("b", 1, true), named("a", 1, true)}, map[string]string{"b": devv1.ReasonOlderDefault, "a": devv1.ReasonIsDefault}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			cluster := capacity.Sum(capacity.Observed{Flavors: c.flavors})
			got := map[string]string{}
			for i := range c.flavors {
				s := cluster.Status(&c.flavors[i], time.Unix(0, 0))
				is := meta.FindStatusCondition(s.Conditions, devv1.ConditionDefault)
				got[c.flavors[i].Name] = is.Reason
				if (is.Status == metav1.ConditionTrue) != (is.Reason == devv1.ReasonIsDefault) {
					t.Errorf("%s is %s with the reason %s", c.flavors[i].Name, is.Status, is.Reason)
				}
				if is.Reason == devv1.ReasonOlderDefault && is.Message != "The older flavor "+capacity.Default(c.flavors).Name+" also has spec.default, and is the default. Remove spec.default from one of them." {
					t.Errorf("the message of the younger flavor is %q", is.Message)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

// The status of a flavor is computed from its last one; only what changed may
// differ, so that nothing is written for nothing.
func TestStatusIsStable(t *testing.T) {
	cluster := capacity.Sum(nodes(node("a")))
	f := flavor()
	f.Status = cluster.Status(f, time.Unix(1, 0))
	if diff := cmp.Diff(f.Status, cluster.Status(f, time.Unix(2, 0))); diff != "" {
		t.Errorf("the same cluster gives another status later (-first +second):\n%s", diff)
	}
}
