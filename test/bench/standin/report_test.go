package standin

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The last report does not depend on the others, and the pod is Ready in it only.
func TestReportsEndWithReady(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "prepare", Image: "agent:1"}},
		Containers:     []corev1.Container{{Name: "devserver", Image: "server:1"}},
	}}
	now := metav1.Now()
	all, one := reports(pod, "192.0.2.1", "10.0.0.1", now, true), reports(pod, "192.0.2.1", "10.0.0.1", now, false)
	if len(all) != 5 || len(one) != 1 {
		t.Fatalf("%d and %d reports; want 5 and 1", len(all), len(one))
	}
	if !equality.Semantic.DeepEqual(all[4], one[0]) {
		t.Errorf("the last of all is\n%v\nand the only one is\n%v", all[4], one[0])
	}
	for i, s := range all {
		last := i == 4
		for _, c := range s.Conditions {
			if c.Type == corev1.PodReady && (c.Status == corev1.ConditionTrue) != last {
				t.Errorf("report %d says Ready=%s", i, c.Status)
			}
		}
		if c := s.ContainerStatuses[0]; c.Ready != last || *c.Started != last {
			t.Errorf("report %d says of the container ready=%t, started=%t", i, c.Ready, *c.Started)
		}
		if (s.PodIP != "") != (i > 0) || s.HostIP == "" || s.StartTime == nil {
			t.Errorf("report %d has the addresses %q and %q and the start %v", i, s.PodIP, s.HostIP, s.StartTime)
		}
	}
	if one[0].InitContainerStatuses[0].State.Terminated == nil || one[0].Phase != corev1.PodRunning {
		t.Errorf("at the end the pod is %v", one[0])
	}
}

func TestPodsHaveAddressesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{Pods.Addr().String(): true}
	for n := 1; n <= 20000; n++ {
		a := podAddress(n)
		if seen[a] {
			t.Fatalf("%s twice", a)
		}
		seen[a] = true
	}
}
