package objects_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"devserver.io/devserver/internal/objects"
)

func TestEverUsable(t *testing.T) {
	with := func(name string, state, last corev1.ContainerState) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, State: state, LastTerminationState: last}
	}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	var never corev1.ContainerState
	for name, test := range map[string]struct {
		statuses []corev1.ContainerStatus
		want     bool
	}{
		"new":                        {nil, false},
		"older version, starting":    {[]corev1.ContainerStatus{with(objects.ServerContainer, waiting, never)}, false},
		"older version, running":     {[]corev1.ContainerStatus{with(objects.ServerContainer, runs, never)}, true},
		"SSH server alone":           {[]corev1.ContainerStatus{with(objects.SSHContainer, runs, never)}, false},
		"SSH server never ran":       {[]corev1.ContainerStatus{with(objects.ServerContainer, runs, never), with(objects.SSHContainer, waiting, never)}, false},
		"both run":                   {[]corev1.ContainerStatus{with(objects.ServerContainer, runs, never), with(objects.SSHContainer, runs, never)}, true},
		"both ran, one starts again": {[]corev1.ContainerStatus{with(objects.ServerContainer, ended, never), with(objects.SSHContainer, waiting, ended)}, true},
		"sidecar never ran":          {[]corev1.ContainerStatus{with("sidecar", waiting, never), with(objects.ServerContainer, runs, never)}, true},
	} {
		pod := &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: test.statuses}}
		if got := objects.EverUsable(pod); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
