package status

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
)

// state is the Ready condition and the phase that goes with it.
type state struct {
	phase           devv1.DevServerPhase
	reason, message string
}

func readiness(d *devv1.DevServer, o Observed) state {
	if !d.DeletionTimestamp.IsZero() {
		return state{devv1.PhaseTerminating, devv1.ReasonTerminating, "The DevServer is being deleted. " + HomeFate(d)}
	}
	if sleeping, is := asleep(d, o); is {
		return sleeping
	}
	switch {
	case o.Pod != nil && o.Pod.DeletionTimestamp.IsZero() && isTrue(o.Pod, corev1.PodReady):
		if fields := edited(o); len(fields) > 0 {
			// It goes in a moment. Who waits for the server as it is asked for
			// now must not take the old pod for it.
			return restarting(fields)
		}
		// A promise about this pod, whatever hinders its next start.
		return state{devv1.PhaseRunning, devv1.ReasonAnswering, "SSH answers."}
	case o.Problem != nil:
		return state{devv1.PhasePending, o.Problem.Reason, o.Problem.Message}
	case o.Pod == nil && o.PodRefused != "":
		return rootRefused(d, o, refused(o.PodRefused))
	case o.Pod == nil && o.Left != nil:
		return leaving(Observed{Pod: o.Left})
	case o.Pod == nil:
		return starting(onItsWay)
	case o.NodeLost:
		return failed(devv1.ReasonNodeLost, "%s", nodeLost(o.Pod.Spec.NodeName))
	case !o.Pod.DeletionTimestamp.IsZero():
		return leaving(o)
	}
	return podState(d, o)
}

func nodeLost(node string) string {
	return fmt.Sprintf("The node %[1]s does not answer, so nobody knows whether the server still runs there. It starts on another node once this one answers, is deleted (kubectl delete node %[1]s), or is tainted as out of service (kubectl taint node %[1]s node.kubernetes.io/out-of-service=:NoExecute).", node)
}

// HomeFate says what becomes of the home when the DevServer is deleted.
func HomeFate(d *devv1.DevServer) string {
	if home := d.Spec.Home; home != nil && (home.Ephemeral || home.RetentionPolicy == devv1.HomeDelete) {
		return "Its home directory goes with it."
	}
	return "Its home directory is kept."
}

// leaving says why the pod of the last start goes.
func leaving(o Observed) state {
	if c := disrupted(o.Pod); c != nil {
		return putOut(c.Reason, c.Message)
	}
	if fields := edited(o); len(fields) > 0 {
		return restarting(fields)
	}
	return starting("The pod of the last start is being stopped.")
}

func restarting(fields []string) state {
	return state{devv1.PhaseStarting, devv1.ReasonRestarting, "The server is being restarted, because " + strings.Join(fields, ", ") + " changed."}
}

// Edited gives the fields of the DevServer's own spec that changed since its
// pod started and that take effect by a restart now. Until the StatefulSet
// controller has seen them, a pod would be made with the old ones again.
func Edited(o Observed) []string {
	if !caughtUp(o.StatefulSet) {
		return nil
	}
	return edited(o)
}

func edited(o Observed) []string {
	if o.Pod == nil || o.StatefulSet == nil {
		return nil
	}
	return desired.Edited(o.Pod.Annotations, o.StatefulSet.Spec.Template.Annotations)
}

// disrupted is Kubernetes' note on a pod that is put out of its node; nil for
// any other.
func disrupted(pod *corev1.Pod) *corev1.PodCondition {
	if c := condition(pod, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return c
	}
	return nil
}

// Disrupted tells whether Kubernetes puts the pod out of its node.
func Disrupted(pod *corev1.Pod) bool { return disrupted(pod) != nil }

// putOut puts the reasons of Kubernetes into words.
func putOut(reason, message string) state {
	why := map[string]string{
		"PreemptionByScheduler":  "a pod of higher priority needs its place",
		"EvictionByEvictionAPI":  "its node is being drained",
		"DeletionByTaintManager": "its node was tainted",
		"TerminationByKubelet":   "its node is short of memory or disk, or is shutting down",
		"DeletionByPodGC":        "its node is gone",
	}[reason]
	return state{devv1.PhaseStarting, devv1.ReasonEvicted, "The server is being moved to another pod: " + cmp.Or(why, message, reason) + "."}
}

// onItsWay is said from the first pass until the pod is Ready: one sentence for
// all steps that nothing hinders is one write of the status less per start.
const onItsWay = "The pod is being created and started."

func starting(message string) state {
	return state{devv1.PhaseStarting, devv1.ReasonStarting, message}
}

func failed(reason, format string, args ...any) state {
	return state{devv1.PhaseFailed, reason, fmt.Sprintf(format, args...)}
}

// podState reads a pod that is not Ready from the outside in: ended, not
// scheduled, then its containers in the order in which they run.
func podState(d *devv1.DevServer, o Observed) state {
	pod := o.Pod
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		if pod.Status.Reason == "Evicted" {
			return state{devv1.PhaseStarting, devv1.ReasonEvicted, "The node put the server out, and another pod is on its way: " + pod.Status.Message}
		}
		if c := disrupted(pod); c != nil {
			return putOut(c.Reason, c.Message)
		}
		return failed(devv1.ReasonPodFailed, "The pod ended: %s", podEnd(pod))
	}
	if o.VolumeTrouble != "" {
		return volumeTrouble(o)
	}
	if c := condition(pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable && !AwaitsClaims(pod) {
		return state{devv1.PhasePending, devv1.ReasonUnschedulable, "No node can take the pod: " + c.Message}
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s, ok := idmapState(d, o, c); ok {
			return s
		}
	}
	for _, c := range pod.Status.InitContainerStatuses {
		if s, ok := containerState(c, devv1.ReasonPrepareFailed, "The step that prepares the home directory failed"); ok {
			return s
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name != desired.BoxContainer {
			continue
		}
		if s, ok := containerState(c, devv1.ReasonCrashLoop, "The server's main process ended"); ok {
			return outOfMemory(s, pod, c)
		}
		if c.State.Running != nil && c.Started != nil && *c.Started && wasReady(d, pod) {
			if o.NodeGone {
				return putOut("DeletionByPodGC", "")
			}
			return failed(devv1.ReasonNotAnswering, "The SSH server of the pod %s stopped answering. What runs in it goes on. To start it again: kubectl delete pod %s", pod.Name, pod.Name)
		}
	}
	return starting(onItsWay)
}

// newVolume is what the scheduler says of a volume that is being provided at
// once, whatever the node, and of one that its cache does not have yet.
var newVolume = regexp.MustCompile(`unbound immediate PersistentVolumeClaims|persistentvolume(claim)? "[^"]*" not found`)

// AwaitsClaims tells whether the scheduler waits for such a volume. For a moment
// it does so for every new home of such a StorageClass, and that is no fault.
func AwaitsClaims(pod *corev1.Pod) bool {
	c := condition(pod, corev1.PodScheduled)
	return c != nil && c.Status == corev1.ConditionFalse && newVolume.MatchString(c.Message)
}

// volumeTrouble is about a claim as long as there is no node, and about the
// node's attempts afterwards: to mount the volumes, and to make the pod's
// sandbox, which comes next.
func volumeTrouble(o Observed) state {
	pod, why := o.Pod, o.VolumeTrouble
	if pod.Spec.NodeName == "" {
		return state{devv1.PhasePending, devv1.ReasonClaimNotBound, why}
	}
	if cause, ok := strings.CutPrefix(why, "Failed to create pod sandbox: "); ok {
		return sandboxTrouble(o, cause)
	}
	return failed(devv1.ReasonVolumeFailed, "A volume cannot be mounted: %s", why)
}

// perTry is what a runtime says anew each time, and no news.
var perTry = regexp.MustCompile(`rpc error: code = \w+ desc = | "[0-9a-f]{64}"`)

func sandboxTrouble(o Observed, cause string) state {
	node := o.Pod.Spec.NodeName
	if o.Root && strings.Contains(cause, "unable to setup user: setgroups: invalid argument") {
		return failed(devv1.ReasonContainerConfigError, "The flavor %s gives root in a user namespace, which on the node %s has no id as high as the server's uid: it has 65536, unless the kubelet's userNamespaces.idsPerPod says more. A flavor without root takes it.", o.Flavor, node)
	}
	return failed(devv1.ReasonContainerConfigError, "The node %s cannot start the pod: %s", node, perTry.ReplaceAllString(cause, ""))
}

// outOfMemory is said in place of a crash where memory was its cause.
func outOfMemory(crash state, pod *corev1.Pod, c corev1.ContainerStatus) state {
	end := c.State.Terminated
	if end == nil {
		end = c.LastTerminationState.Terminated
	}
	if end == nil || end.Reason != "OOMKilled" {
		return crash
	}
	limit := "all that its node has"
	for _, container := range pod.Spec.Containers {
		if quantity, ok := container.Resources.Limits[corev1.ResourceMemory]; ok && container.Name == c.Name {
			limit = "its limit of " + quantity.String()
		}
	}
	return failed(devv1.ReasonOOMKilled, "The server used more memory than %s, and is started again. What it ran is lost, its files are not. A larger flavor, or less at a time, helps.", limit)
}

// wasReady tells whether this very pod was Ready before: SSH that does not
// answer yet is no fault.
func wasReady(d *devv1.DevServer, pod *corev1.Pod) bool {
	return d.Status.PodName == pod.Name && d.Status.StartedAt.Equal(pod.Status.StartTime)
}

// containerState returns what hinders a container, if anything does. crash and
// ended name the reason and the sentence for a container that ended by itself.
func containerState(c corev1.ContainerStatus, crash, ended string) (state, bool) {
	if w := c.State.Waiting; w != nil {
		switch w.Reason {
		case "", "PodInitializing", "ContainerCreating":
			// It may be on its way to the next try, after a crash.
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
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
	// Between two tries the kubelet shows the container as running for a
	// moment; the cause of the last end still stands.
	if t := c.LastTerminationState.Terminated; t != nil && t.ExitCode != 0 && !c.Ready {
		return failed(crash, "%s: %s", ended, exit(t)), true
	}
	return state{}, false
}

// pullBackOff is what the kubelet puts in front of the cause while it waits
// for its next try. Without it the message is the same at both times.
var pullBackOff = regexp.MustCompile(`^Back-off pulling image "[^"]*"(: (ErrImagePull|[A-Za-z]+): )?`)

// pullCause names the image. It need not be the container's own: the prepare
// step has the box's image as a volume, and the cause names that one.
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

func podEnd(pod *corev1.Pod) string {
	text := cmp.Or(pod.Status.Reason, string(pod.Status.Phase))
	if pod.Status.Message != "" {
		text += ": " + pod.Status.Message
	}
	return text
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// PodReady tells whether SSH answers, which is what a pod's readiness says.
func PodReady(pod *corev1.Pod) bool { return isTrue(pod, corev1.PodReady) }

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func isTrue(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	c := condition(pod, kind)
	return c != nil && c.Status == corev1.ConditionTrue
}
