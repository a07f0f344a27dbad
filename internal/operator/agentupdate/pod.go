package agentupdate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/objects"
)

// Pod has the facts of one server's pod.
type Pod struct {
	// Agent is the image of the agent that the pod was created with, or the last one
	// that it was updated to and that answered; empty if the previous version of the
	// operator created the pod. Image is the image in the pod's spec. The two can also
	// differ because an admission plugin rewrites images.
	Agent, Image string
	// Update is the last update, if it has not succeeded.
	Update *Update
	// Ready is set while the SSH server's container is ready, Running while it runs.
	// Restarts is how often it was restarted.
	Ready, Running bool
	Restarts       int32
	// Problem is why the container cannot run, if that is known.
	Problem string
}

// Update is an update of a pod's agent that is under way, or has failed: the value of
// objects.AnnotationAgentUpdate.
type Update struct {
	// Image is the new image, and From is the old one in the pod's spec.
	Image string `json:"image"`
	From  string `json:"from"`
	// StartedAt is when the pod was patched, and Restarts how often the SSH server's
	// container had been restarted until then.
	StartedAt metav1.Time `json:"startedAt"`
	Restarts  int32       `json:"restarts"`
	// Failed is why the old image was put back; empty while the update is under way.
	Failed string `json:"failed,omitempty"`
}

// String returns the value of the annotation.
func (u Update) String() string {
	text, err := json.Marshal(u)
	if err != nil {
		return "" // cannot happen: the fields are plain data
	}
	return string(text)
}

// PodOf returns the facts of a pod.
func PodOf(pod *corev1.Pod) Pod {
	p := Pod{Agent: pod.Annotations[objects.AnnotationAgentImage]}
	for _, c := range pod.Spec.Containers {
		if c.Name == objects.SSHContainer {
			p.Image = c.Image
		}
	}
	if text := pod.Annotations[objects.AnnotationAgentUpdate]; text != "" {
		u := &Update{}
		if json.Unmarshal([]byte(text), u) == nil && u.Image != "" && u.From != "" {
			p.Update = u
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name != objects.SSHContainer {
			continue
		}
		p.Ready, p.Running, p.Restarts = c.Ready, c.State.Running != nil, c.RestartCount
		p.Problem = Problem(c)
	}
	return p
}

// Problem is why the kubelet does not start an agent's container, and empty if it just
// creates it. It stays the same from one attempt of the kubelet to the next.
func Problem(c corev1.ContainerStatus) string {
	w := c.State.Waiting
	if w == nil || w.Reason == "" || w.Reason == "ContainerCreating" || w.Reason == "PodInitializing" {
		return ""
	}
	if t := c.LastTerminationState.Terminated; t != nil && w.Reason == "CrashLoopBackOff" {
		return ended(t)
	}
	if _, cause, ok := strings.Cut(w.Message, ": ErrImagePull: "); ok && w.Reason == "ImagePullBackOff" {
		return "ErrImagePull: " + cause
	}
	return join(w.Reason, w.Message)
}

// Ended is why an agent's container ended, and empty if it did not.
func Ended(c corev1.ContainerStatus) string {
	if c.State.Terminated == nil {
		return ""
	}
	return ended(c.State.Terminated)
}

func ended(t *corev1.ContainerStateTerminated) string {
	return join(fmt.Sprintf("%s, exit code %d", cmp.Or(t.Reason, "Error"), t.ExitCode), strings.TrimSpace(t.Message))
}

func join(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + message
}

// underWay tells whether an update has started and neither succeeded nor failed.
func (p Pod) underWay() bool { return p.Update != nil && p.Update.Failed == "" }

// failed tells whether the update to the image failed.
func (p Pod) failed(image string) bool {
	return p.Update != nil && p.Update.Failed != "" && p.Update.Image == image
}

// shows tells whether the pod shows that the image is on the node. A container that is
// being updated may still run its old image.
func (p Pod) shows(image string) bool { return p.Running && p.Image == image && p.Update == nil }

// proves tells whether the pod proves that the agent works on the node.
func (p Pod) proves(image string) bool { return p.Ready && p.Agent == image && p.Update == nil }
