package status

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// A pod has the containers prepare (init), devserver and ssh. One that an older
// version of the operator started has no container ssh: the SSH server runs in
// devserver. A flavor, or a webhook such as that of Istio or Vault, may add others,
// before and beside them.

// containersState reads the containers of a pod that is not Ready, in the order in
// which they run; ok is false if nothing prevents them from starting.
func containersState(d *devv1.DevServer, o Observed) (s state, ok bool) {
	pod := o.Pod
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s, ok := idmapState(d, o, c); ok {
			return s, true
		}
	}
	server := objects.ContainerStatus(pod, objects.ServerContainer)
	for i, c := range pod.Status.InitContainerStatuses {
		if c.Name == objects.PrepareContainer {
			s, ok = containerState(c, devv1.ReasonPrepareFailed, "The step that prepares the home directory failed")
		} else {
			s, ok = addedState(d, pod, c, c.State.Running != nil && waits(pod.Status.InitContainerStatuses[i+1:], server))
		}
		if ok {
			return s, true
		}
	}
	if server == nil {
		return state{}, false
	}
	if s, ok := containerState(*server, devv1.ReasonCrashLoop, "The server's main process ended"); ok {
		return outOfMemory(s, pod, *server), true
	}
	answers := *server
	if ssh := objects.ContainerStatus(pod, objects.SSHContainer); ssh != nil {
		answers = *ssh
		if s, ok := containerState(answers, devv1.ReasonNotAnswering, fmt.Sprintf("The SSH server of the pod %s ended", pod.Name)); ok {
			return sshOutOfMemory(s, o, answers), true
		}
	}
	if s, ok := silent(d, o, answers); ok && !answers.Ready {
		return s, true
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if c.Name == objects.PrepareContainer || c.Name == objects.ServerContainer || c.Name == objects.SSHContainer {
			continue
		}
		if s, ok := addedState(d, pod, c, server.Ready && answers.Ready); ok {
			return s, true
		}
	}
	return silent(d, o, answers)
}

// waits tells whether the container after an init container waits for it: the next
// init container or, after the last, the server's.
func waits(next []corev1.ContainerStatus, server *corev1.ContainerStatus) bool {
	if len(next) > 0 {
		return next[0].State.Waiting != nil
	}
	return server == nil || server.State.Waiting != nil
}

// silent returns the state of a pod that was Ready, and whose SSH server, in the
// container c, runs but no longer answers.
func silent(d *devv1.DevServer, o Observed, c corev1.ContainerStatus) (state, bool) {
	if c.State.Running == nil || c.Started == nil || !*c.Started || !wasReady(d, o.Pod) {
		return state{}, false
	}
	if o.NodeGone {
		return evicted("DeletionByPodGC", ""), true
	}
	return failed(devv1.ReasonNotAnswering, "The SSH server of the pod %s stopped answering. The server's processes still run. To restart the server: devctl restart %s", o.Pod.Name, d.Name), true
}

func sshOutOfMemory(crash state, o Observed, c corev1.ContainerStatus) state {
	if outOfItsMemory(c) {
		crash.message += fmt.Sprintf(". An admin can give it more memory, in spec.sshResources of the DevServerFlavor %s.", o.Flavor)
	}
	return crash
}

// addedState returns why a container that a flavor or a webhook added does not run, if
// it does not. A container that has not failed is reported only if the others wait for
// it, and not while it first starts.
func addedState(d *devv1.DevServer, pod *corev1.Pod, c corev1.ContainerStatus, awaited bool) (state, bool) {
	name := fmt.Sprintf("The container %s is not ready", c.Name)
	if s, ok := containerState(c, devv1.ReasonContainerNotReady, name+": it ended"); ok {
		return s, true
	}
	if c.Ready || !awaited || (c.State.Waiting != nil && !wasReady(d, pod)) {
		return state{}, false
	}
	why := fmt.Sprintf("%s. For the cause: kubectl describe pod %s", name, pod.Name)
	if wasReady(d, pod) {
		return failed(devv1.ReasonContainerNotReady, "%s", why), true
	}
	return state{devv1.PhaseStarting, devv1.ReasonContainerNotReady, why}, true
}

// outOfMemory replaces a crash that ran out of memory.
func outOfMemory(crash state, pod *corev1.Pod, c corev1.ContainerStatus) state {
	if !outOfItsMemory(c) {
		return crash
	}
	limit := "its node has"
	for _, container := range pod.Spec.Containers {
		if quantity, ok := container.Resources.Limits[corev1.ResourceMemory]; ok && container.Name == c.Name {
			limit = "its limit of " + quantity.String()
		}
	}
	return failed(devv1.ReasonOOMKilled, "The server used more memory than %s, and is started again. Its processes were killed; its home directory is intact. Choose a flavor with more memory, or use less at a time.", limit)
}

// end returns how a container last ended; nil if it never did.
func end(c corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastTerminationState.Terminated
}

func outOfItsMemory(c corev1.ContainerStatus) bool {
	t := end(c)
	return t != nil && t.Reason == "OOMKilled"
}

// missedEnd returns the state of the server after its main process last ended, if no
// status has reported that end. The container can start again before the kubelet
// reports that the pod is not Ready, because the SSH server keeps running.
func missedEnd(o Observed, last *devv1.Disruption) (state, bool) {
	server := objects.ContainerStatus(o.Pod, objects.ServerContainer)
	if server == nil || objects.ContainerStatus(o.Pod, objects.SSHContainer) == nil || server.State.Running == nil {
		return state{}, false
	}
	t := server.LastTerminationState.Terminated
	if t == nil || t.ExitCode == 0 || (last != nil && last.Time != nil && !last.Time.Add(clockSkew).Before(t.FinishedAt.Time)) {
		return state{}, false
	}
	s := failed(devv1.ReasonCrashLoop, "The server's main process ended: %s", exit(t))
	return outOfMemory(s, o.Pod, *server), true
}

// clockSkew is by how much the clock of a node may be ahead of the operator's.
const clockSkew = 30 * time.Second

// wasReady tells whether this pod was Ready before. Until then, it is not a failure if
// SSH does not answer.
func wasReady(d *devv1.DevServer, pod *corev1.Pod) bool {
	return d.Status.PodName == pod.Name && d.Status.StartedAt.Equal(pod.Status.StartTime)
}

// containerState returns why a container does not run, if it does not. crash and ended
// are the reason and the sentence for a container that ended by itself.
func containerState(c corev1.ContainerStatus, crash, ended string) (state, bool) {
	if w := c.State.Waiting; w != nil {
		switch w.Reason {
		case "", "PodInitializing", "ContainerCreating":
			// It may be about to start again, after a crash.
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
			if c.Name != objects.PrepareContainer && c.Name != objects.ServerContainer {
				// The user cannot correct this image by editing the DevServer.
				return failed(devv1.ReasonContainerConfigError, "The node cannot fetch the image of the container %s: %s", c.Name, pullCause(c.Image, w)), true
			}
			return failed(devv1.ReasonImagePullFailed, "An image cannot be fetched: %s", pullCause(c.Image, w)), true
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError", "PreStartHookError", "PostStartHookError":
			return failed(devv1.ReasonContainerConfigError, "The node cannot start the container %s: %s", c.Name, w.Message), true
		case "CrashLoopBackOff":
			return failed(crash, "%s: %s", ended, exit(c.LastTerminationState.Terminated)), true
		}
	}
	if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
		return failed(crash, "%s: %s", ended, exit(t)), true
	}
	// Between two attempts the kubelet shows the container as running for a moment;
	// the cause of the last end still applies.
	if t := c.LastTerminationState.Terminated; t != nil && t.ExitCode != 0 && !c.Ready {
		return failed(crash, "%s: %s", ended, exit(t)), true
	}
	return state{}, false
}

// pullBackOff matches what the kubelet puts before the cause while it waits for its
// next attempt. Without it the message does not change.
var pullBackOff = regexp.MustCompile(`^Back-off pulling image "[^"]*"(: (ErrImagePull|[A-Za-z]+): )?`)

// pullCause names the image. It need not be the container's own: the prepare step
// mounts the server's image as a volume, and the cause names that one.
func pullCause(image string, w *corev1.ContainerStateWaiting) string {
	cause := strings.TrimSpace(pullBackOff.ReplaceAllString(w.Message, ""))
	if cause == "" {
		return image
	}
	if !strings.Contains(cause, image) && !strings.Contains(cause, `image "`) {
		return image + ": " + cause
	}
	return cause
}

func exit(t *corev1.ContainerStateTerminated) string {
	if t == nil {
		return "its exit code is not known"
	}
	text := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason != "" && t.Reason != "Error" {
		text += " (" + t.Reason + ")"
	}
	if line := lastLine(t.Message); line != "" {
		text += ": " + line
	}
	return text
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
