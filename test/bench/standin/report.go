package standin

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stage is how far a pod has started when its kubelet reports a status.
type stage int

const (
	accepted    stage = iota // its images are being pulled
	initRunning              // the init containers run
	initDone                 // they ended
	started                  // the containers run, but have not passed a readiness probe
	ready
)

// reports returns the statuses that a kubelet writes until the pod is Ready: all five, or only
// the last.
func reports(pod *corev1.Pod, host, address string, now metav1.Time, all bool) []corev1.PodStatus {
	if !all {
		return []corev1.PodStatus{report(pod, ready, host, address, now)}
	}
	var statuses []corev1.PodStatus
	for s := accepted; s <= ready; s++ {
		statuses = append(statuses, report(pod, s, host, address, now))
	}
	return statuses
}

func report(pod *corev1.Pod, s stage, host, address string, now metav1.Time) corev1.PodStatus {
	status := corev1.PodStatus{
		Phase: corev1.PodPending, StartTime: &now, QOSClass: corev1.PodQOSBurstable,
		HostIP: host, HostIPs: []corev1.HostIP{{IP: host}},
	}
	condition := func(kind corev1.PodConditionType, met bool) {
		state := corev1.ConditionFalse
		if met {
			state = corev1.ConditionTrue
		}
		status.Conditions = append(status.Conditions, corev1.PodCondition{
			Type: kind, Status: state, LastTransitionTime: now, ObservedGeneration: pod.Generation,
		})
	}
	condition(corev1.PodScheduled, true)
	condition(corev1.PodReadyToStartContainers, s >= initRunning)
	condition(corev1.PodInitialized, s >= initDone)
	condition(corev1.ContainersReady, s >= ready)
	condition(corev1.PodReady, s >= ready)
	if s >= initRunning {
		status.PodIP, status.PodIPs = address, []corev1.PodIP{{IP: address}}
	}
	if s >= started {
		status.Phase = corev1.PodRunning
	}
	for _, c := range pod.Spec.InitContainers {
		status.InitContainerStatuses = append(status.InitContainerStatuses, initStatus(c, s, now))
	}
	for _, c := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, containerStatus(c, s, now))
	}
	return status
}

func waiting(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

func running(since metav1.Time) corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: since}}
}

// identified returns a status with the ids that the container runtime adds once the container
// exists.
func identified(c corev1.Container, exists bool) corev1.ContainerStatus {
	status := corev1.ContainerStatus{Name: c.Name, Image: c.Image}
	if exists {
		const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		status.ImageID, status.ContainerID = c.Image+"@sha256:"+digest, "containerd://"+digest
	}
	return status
}

func initStatus(c corev1.Container, s stage, now metav1.Time) corev1.ContainerStatus {
	status := identified(c, s >= initRunning)
	isRunning := s == initRunning
	status.Started = &isRunning
	switch {
	case s < initRunning:
		status.State = waiting("PodInitializing")
	case s == initRunning:
		status.State = running(now)
	default:
		status.Ready = true
		status.State.Terminated = &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now, ContainerID: status.ContainerID}
	}
	return status
}

func containerStatus(c corev1.Container, s stage, now metav1.Time) corev1.ContainerStatus {
	status := identified(c, s >= started)
	isReady := s >= ready
	status.Started, status.Ready = &isReady, isReady
	status.State = waiting("PodInitializing")
	if s >= started {
		status.State = running(now)
	}
	return status
}
