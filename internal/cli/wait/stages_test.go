package wait

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// server is a DevServer with a status about its latest edit.
func server(phase devserverv1.DevServerPhase, reason, message string) *devserverv1.DevServer {
	ready := metav1.ConditionFalse
	if phase == devserverv1.PhaseRunning {
		ready = metav1.ConditionTrue
	}
	return &devserverv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bot", Generation: 2},
		Status: devserverv1.DevServerStatus{
			ObservedGeneration: 2,
			Phase:              phase,
			Flavor:             "small",
			Conditions:         []metav1.Condition{{Type: "Ready", Status: ready, Reason: reason, Message: message}},
		},
	}
}

func starting() *devserverv1.DevServer {
	return server(devserverv1.PhaseStarting, devserverv1.ReasonStarting, "The pod is being started.")
}

func pod(node string, conditions ...corev1.PodConditionType) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bot-0", UID: "this"}, Spec: corev1.PodSpec{NodeName: node}}
	for _, c := range conditions {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue})
	}
	return p
}

func event(pod, kind, reason, message string, second int64) corev1.Event {
	return corev1.Event{
		InvolvedObject: corev1.ObjectReference{Name: "bot-0", UID: "this"},
		Type:           kind, Reason: reason, Message: message, LastTimestamp: metav1.Unix(second, 0),
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: pod + reason},
	}
}

func claim(phase corev1.PersistentVolumeClaimPhase) *corev1.PersistentVolumeClaim {
	class := "fast"
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "home-bot-0"},
		Spec:       corev1.PersistentVolumeClaimSpec{StorageClassName: &class},
		Status: corev1.PersistentVolumeClaimStatus{
			Phase:    phase,
			Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")},
		},
	}
}

func TestStages(t *testing.T) {
	const inSandbox = corev1.PodReadyToStartContainers
	withStatus := func(p *corev1.Pod, s corev1.ContainerStatus) *corev1.Pod {
		if s.Name == "" {
			s.Name = objects.ServerContainer
		}
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, s)
		return p
	}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	rest := func(from int) []stage {
		all := []stage{{name: scheduled}, {name: attached}, {name: prepared}, {name: started}, {name: answering}}
		return all[from:]
	}
	cases := map[string]struct {
		reason string
		observed
		want []stage
	}{
		"New": {
			reason:   "the operator may not be running",
			observed: observed{devServer: &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Generation: 1}}},
			want:     append([]stage{{accepted, active, "waiting for the operator"}}, rest(0)...),
		},
		"StaleStatus": {
			reason: "a Running from before the last edit is no promise about it",
			observed: observed{devServer: func() *devserverv1.DevServer {
				ds := server(devserverv1.PhaseRunning, devserverv1.ReasonAnswering, "")
				ds.Generation++
				return ds
			}()},
			want: append([]stage{{accepted, active, "waiting for the operator"}}, rest(0)...),
		},
		"FlavorMissing": {
			reason:   "the operator's words say what is missing",
			observed: observed{devServer: server(devserverv1.PhasePending, devserverv1.ReasonFlavorNotFound, `flavor "huge" does not exist`)},
			want:     append([]stage{{accepted, stuck, `FlavorNotFound: flavor "huge" does not exist`}}, rest(0)...),
		},
		"Unschedulable": {
			reason:   "it was accepted, although its phase is Pending: the pod is there",
			observed: observed{devServer: server(devserverv1.PhasePending, devserverv1.ReasonUnschedulable, "No node can take the pod: 0/1 nodes"), pod: pod("")},
			want:     append([]stage{{accepted, done, "flavor small"}, {scheduled, stuck, "Unschedulable: No node can take the pod: 0/1 nodes"}}, rest(1)...),
		},
		"VolumeComing": {
			reason:   "the claim says what the pod waits for",
			observed: observed{devServer: starting(), pod: pod("n1", corev1.PodScheduled), claim: claim(corev1.ClaimPending)},
			want:     append([]stage{{accepted, done, "flavor small"}, {scheduled, done, "n1"}, {attached, active, "waiting for a volume of fast"}}, rest(2)...),
		},
		"MountFails": {
			reason: "the last warning about this pod says it, one about the pod before does not",
			observed: observed{
				devServer: starting(), pod: pod("n1", corev1.PodScheduled), claim: claim(corev1.ClaimBound),
				events: []corev1.Event{
					event("a", corev1.EventTypeWarning, "FailedMount", "no route to the file server", 20),
					event("b", corev1.EventTypeWarning, "FailedAttachVolume", "an earlier try", 10),
					{InvolvedObject: corev1.ObjectReference{UID: "before"}, Type: corev1.EventTypeWarning, Reason: "Old", LastTimestamp: metav1.Unix(30, 0)},
				},
			},
			want: append([]stage{{accepted, done, "flavor small"}, {scheduled, done, "n1"}, {attached, stuck, "FailedMount: no route to the file server"}}, rest(2)...),
		},
		"NewClaim": {
			reason: "the scheduler's first warning about a new home directory is no obstacle",
			observed: observed{
				devServer: starting(), pod: pod(""), claim: claim(corev1.ClaimPending),
				events: []corev1.Event{event("a", corev1.EventTypeWarning, "FailedScheduling", `0/1 nodes are available: persistentvolumeclaim "home-bot-0" not found. not found`, 1)},
			},
			want: append([]stage{{accepted, done, "flavor small"}, {scheduled, active, "looking for a node"}}, rest(1)...),
		},
		"RoomWasFreed": {
			reason: "what the scheduler said before it found a node is over",
			observed: observed{
				devServer: starting(), pod: pod("n1", corev1.PodScheduled), claim: claim(corev1.ClaimBound),
				events: []corev1.Event{event("a", corev1.EventTypeWarning, "FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu", 1)},
			},
			want: append([]stage{{accepted, done, "flavor small"}, {scheduled, done, "n1"}, {attached, active, "10Gi of fast"}}, rest(2)...),
		},
		"Restarting": {
			reason: "the former pod, and why it failed, are no part of the next start",
			observed: observed{
				devServer: server(devserverv1.PhaseStarting, devserverv1.ReasonRestarting, "The server is being restarted."), claim: claim(corev1.ClaimBound),
				pod:    pod("n1", corev1.PodScheduled, inSandbox),
				events: []corev1.Event{event("a", corev1.EventTypeWarning, "Failed", "Failed to pull image", 1)},
			},
			want: append([]stage{{accepted, done, "flavor small"}, {scheduled, active, "waiting for the old processes to end"}}, rest(1)...),
		},
		"ProbesBeforeItStarted": {
			reason: "the first probes always fail",
			observed: observed{
				devServer: starting(), pod: pod("n1", corev1.PodScheduled, inSandbox), claim: claim(corev1.ClaimBound),
				events: []corev1.Event{event("a", corev1.EventTypeWarning, "Unhealthy", "Startup probe failed", 1)},
			},
			want: append([]stage{{accepted, done, "flavor small"}, {scheduled, done, "n1"}, {attached, done, "10Gi of fast"}, {name: prepared, state: active}}, rest(3)...),
		},
		"Pulling": {
			reason: "the event names the image",
			observed: observed{
				devServer: starting(), pod: pod("n1", corev1.PodScheduled, inSandbox), claim: claim(corev1.ClaimBound),
				events: []corev1.Event{event("a", corev1.EventTypeNormal, "Pulling", `Pulling image "pytorch:2"`, 1)},
			},
			want: append([]stage{
				{accepted, done, "flavor small"}, {scheduled, done, "n1"}, {attached, done, "10Gi of fast"}, {prepared, active, `Pulling image "pytorch:2"`},
			}, rest(3)...),
		},
		"Pulled": {
			reason: "what the kubelet says at length is short",
			observed: observed{
				devServer: starting(), pod: pod("n1", corev1.PodScheduled, inSandbox), claim: claim(corev1.ClaimBound),
				events: []corev1.Event{event("a", corev1.EventTypeNormal, "Pulled", `Container image "x" already present on machine and can be accessed by the pod`, 1)},
			},
			want: append([]stage{
				{accepted, done, "flavor small"}, {scheduled, done, "n1"}, {attached, done, "10Gi of fast"}, {prepared, active, "already on the node"},
			}, rest(3)...),
		},
		"Started": {
			reason: "SSH takes a moment, and failed probes of that moment are no fault",
			observed: observed{
				devServer: starting(), claim: claim(corev1.ClaimBound),
				pod:    withStatus(pod("n1", corev1.PodScheduled, inSandbox, corev1.PodInitialized), corev1.ContainerStatus{ImageID: "sha256:1", State: running}),
				events: []corev1.Event{event("a", corev1.EventTypeWarning, "Unhealthy", "probe failed", 1)},
			},
			want: []stage{
				{accepted, done, "flavor small"},
				{scheduled, done, "n1"},
				{attached, done, "10Gi of fast"},
				{name: prepared, state: done},
				{name: started, state: done},
				{name: answering, state: active},
			},
		},
		"RunningUnseen": {
			reason:   "whoever may not see pods still sees that it runs",
			observed: observed{devServer: server(devserverv1.PhaseRunning, devserverv1.ReasonAnswering, "SSH answers.")},
			want: []stage{
				{accepted, done, "flavor small"},
				{name: scheduled, state: done},
				{name: attached, state: done},
				{name: prepared, state: done},
				{name: started, state: done},
				{name: answering, state: done},
			},
		},
		"SSHServerComing": {
			reason: "the SSH server has a container of its own, and others do not count",
			observed: observed{
				devServer: starting(), claim: claim(corev1.ClaimBound),
				pod: withStatus(withStatus(withStatus(pod("n1", corev1.PodScheduled, inSandbox, corev1.PodInitialized),
					corev1.ContainerStatus{Name: "a-sidecar", RestartCount: 3}),
					corev1.ContainerStatus{ImageID: "sha256:1", State: running}),
					corev1.ContainerStatus{Name: objects.SSHContainer, ImageID: "sha256:2"}),
			},
			want: []stage{
				{accepted, done, "flavor small"},
				{scheduled, done, "n1"},
				{attached, done, "10Gi of fast"},
				{name: prepared, state: done},
				{name: started, state: active},
				{name: answering},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, stages(tc.observed), cmp.AllowUnexported(stage{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestProgressRemembersWhenAStageWasPassed(t *testing.T) {
	start := time.Unix(1000, 0)
	p := newProgress(start)
	o := observed{devServer: starting()}
	p.update(o, start)
	o.pod = pod("n1", corev1.PodScheduled)
	passed := p.update(o, start.Add(1500*time.Millisecond))
	if diff := cmp.Diff([]stage{{scheduled, done, "n1"}}, passed, cmp.AllowUnexported(stage{})); diff != "" {
		t.Errorf("passed (-want +got):\n%s", diff)
	}
	if again := p.update(o, start.Add(time.Minute)); again != nil {
		t.Errorf("passed again: %v", again)
	}
	for name, want := range map[string]string{accepted: "already", scheduled: "1.5s"} {
		if got := p.when(stage{name: name}); got != want {
			t.Errorf("%s was passed at %s, want %s", name, got, want)
		}
	}
	// The pod is deleted and made again.
	o.pod = nil
	p.update(o, start.Add(2*time.Minute))
	o.pod = pod("n2", corev1.PodScheduled)
	p.update(o, start.Add(3*time.Minute))
	if got := p.when(stage{name: scheduled}); got != "3m0s" {
		t.Errorf("scheduled again at %s, want 3m0s", got)
	}
}
