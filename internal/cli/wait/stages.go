package wait

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/printable"
	"devserver.io/devserver/internal/serverstate"
)

// observed is what the cluster shows of a DevServer. What is nil does not exist,
// or this user may not read it.
type observed struct {
	devServer *devserverv1.DevServer
	pod       *corev1.Pod
	claim     *corev1.PersistentVolumeClaim
	events    []corev1.Event // of the pod
	// complete and podsComplete tell that what is nil here does not exist, rather
	// than that it was not read yet.
	complete, podsComplete bool
}

// state is how far a stage is.
type state int

const (
	waiting state = iota
	active
	stuck // active, and something prevents it from passing
	done
)

// stage is one step on the way from a DevServer to a shell in it.
type stage struct {
	name   string
	state  state
	detail string
}

// Names of the stages, in order.
const (
	accepted  = "accepted"
	scheduled = "scheduled"
	attached  = "home attached"
	prepared  = "image ready"
	started   = "started"
	answering = "SSH answers"
)

// stages says how far o is. A stage is done when its own sign exists or when a
// later one is done: a user may not be allowed to read pods.
func stages(o observed) []stage {
	if c := serverstate.Ready(o.devServer); c != nil && c.Reason == devserverv1.ReasonRestarting && serverstate.IsCurrent(o.devServer) {
		o.pod = nil // It is the former pod, which ends.
	}
	list := []stage{
		acceptedStage(o), scheduledStage(o), attachedStage(o), preparedStage(o), startedStage(o), answeringStage(o),
	}
	later := false
	for i := range slices.Backward(list) {
		if later && list[i].state != done {
			list[i] = stage{name: list[i].name, state: done}
		}
		later = later || list[i].state == done
	}
	for i := range list {
		if list[i].state == done {
			continue
		}
		// The first that is not done is where it is now.
		list[i].state = active
		if cause := obstacle(o, list[i].name); cause != "" {
			list[i].state, list[i].detail = stuck, cause
		}
		for j := range list[i+1:] {
			list[i+1+j].detail = ""
		}
		break
	}
	for i := range list {
		list[i].detail = printable.Prose(list[i].detail, 0)
	}
	return list
}

// obstacle says why the stage does not pass: what the operator reports, else the
// last warning about the pod. That a new home has no volume yet, which the
// scheduler reports for a moment on nearly every creation, is not an obstacle: the
// stage is active, and the operator reports a claim that stays unbound.
func obstacle(o observed, stage string) string {
	if c := serverstate.Obstacle(o.devServer); c != nil {
		return c.Reason + ": " + c.Message
	}
	if stage == accepted || stage == answering {
		return ""
	}
	if last := lastEvent(o, func(e corev1.Event) bool { return e.Type == corev1.EventTypeWarning && !isOver(o.pod, e) }); last != nil {
		return last.Reason + ": " + last.Message
	}
	return ""
}

// isOver tells whether a warning about the pod no longer prevents anything, or never
// did.
func isOver(pod *corev1.Pod, e corev1.Event) bool {
	switch e.Reason {
	case "FailedScheduling":
		return isTrue(pod, corev1.PodScheduled) || serverstate.AwaitsClaims(e.Message)
	case "Unhealthy":
		return true // The first SSH probes of a starting server always fail.
	}
	return false
}

func acceptedStage(o observed) stage {
	s := stage{name: accepted, detail: "waiting for the operator"}
	if ds := o.devServer; serverstate.IsCurrent(ds) && ds.Status.Phase != "" {
		s.detail = ""
		if ds.Status.Flavor != "" {
			s.detail = "flavor " + ds.Status.Flavor
		}
		// An unschedulable server is Pending too, but it passed this stage.
		if ds.Status.Phase != devserverv1.PhasePending || o.pod != nil {
			s.state = done
		}
	}
	return s
}

func scheduledStage(o observed) stage {
	s := stage{name: scheduled, detail: "waiting for the pod"}
	if o.pod == nil {
		if c := serverstate.Ready(o.devServer); c != nil && c.Reason == devserverv1.ReasonRestarting {
			s.detail = "waiting for the old processes to end"
		}
		return s
	}
	s.detail = "looking for a node"
	if isTrue(o.pod, corev1.PodScheduled) {
		s.state, s.detail = done, o.pod.Spec.NodeName
	}
	return s
}

func attachedStage(o observed) stage {
	s := stage{name: attached}
	if o.claim != nil {
		size := o.claim.Status.Capacity[corev1.ResourceStorage]
		class := ptr.Deref(o.claim.Spec.StorageClassName, "")
		switch o.claim.Status.Phase {
		case corev1.ClaimBound:
			s.detail = fmt.Sprintf("%s of %s", size.String(), cmp.Or(class, "storage"))
		case corev1.ClaimLost:
			s.detail = "the volume of " + o.claim.Name + " is lost"
		default:
			s.detail = "waiting for a volume of " + cmp.Or(class, "the default storage class")
		}
	}
	// The node sets the sandbox up once all volumes are mounted.
	if o.pod != nil && isTrue(o.pod, corev1.PodReadyToStartContainers) {
		s.state = done
	}
	return s
}

func preparedStage(o observed) stage {
	s := stage{name: prepared}
	if o.pod == nil {
		return s
	}
	if pulling := lastEvent(o, func(e corev1.Event) bool { return e.Reason == "Pulling" || e.Reason == "Pulled" }); pulling != nil {
		s.detail = pullDetail(pulling.Message)
	}
	if isTrue(o.pod, corev1.PodInitialized) && all(o.pod, func(c *corev1.ContainerStatus) bool { return c.ImageID != "" }) {
		s.state = done
	}
	return s
}

// all tells whether ok is true for the server's container and for that of the SSH
// server, which pods of an older version do not have.
func all(pod *corev1.Pod, ok func(*corev1.ContainerStatus) bool) bool {
	server, ssh := objects.ContainerStatus(pod, objects.ServerContainer), objects.ContainerStatus(pod, objects.SSHContainer)
	return server != nil && ok(server) && (ssh == nil || ok(ssh))
}

// pullDetail shortens the kubelet's sentence about an image that the node has.
func pullDetail(message string) string {
	if strings.Contains(message, "already present on machine") {
		return "already on the node"
	}
	return message
}

func startedStage(o observed) stage {
	s := stage{name: started}
	if o.pod == nil {
		return s
	}
	if server := objects.ContainerStatus(o.pod, objects.ServerContainer); server != nil && server.RestartCount > 0 {
		s.detail = fmt.Sprintf("%d restarts", server.RestartCount)
	}
	if all(o.pod, func(c *corev1.ContainerStatus) bool { return c.State.Running != nil }) {
		s.state = done
	}
	return s
}

func answeringStage(o observed) stage {
	s := stage{name: answering}
	if serverstate.IsRunning(o.devServer) {
		s.state = done
	}
	return s
}

func isTrue(pod *corev1.Pod, condition corev1.PodConditionType) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == condition && c.Status == corev1.ConditionTrue
	})
}

// lastEvent is the latest of the events about this very pod that match.
func lastEvent(o observed, match func(corev1.Event) bool) *corev1.Event {
	var last *corev1.Event
	for i := range o.events {
		e := &o.events[i]
		if o.pod == nil || e.InvolvedObject.UID != o.pod.UID || !match(*e) {
			continue
		}
		if last == nil || !objects.EventTime(*e).Before(objects.EventTime(*last)) {
			last = e
		}
	}
	return last
}
