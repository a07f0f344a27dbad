package devserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/agentupdate"
)

const oldAgent, newAgent = "example.com/agent:1", "example.com/agent:2"

// outdatedServer has a server that runs with the old agent, on a node of its own, and an
// operator of the new version. The agent reports no session.
func outdatedServer(t *testing.T, edits ...func(*devv1.DevServer)) *world {
	t.Helper()
	w := newWorld(t)
	w.node = "node-of-" + w.ns
	w.flavor()
	w.create(w.devServer(edits...))
	w.settled()
	w.startPod()
	w.setSSH(func(s *corev1.ContainerStatus) { s.Ready = true })
	w.agent.report.Version = "1"
	w.poll()
	w.settled()
	w.r.Config.AgentImage = newAgent
	return w
}

// createNode creates the server's node, which owns the pods that pull images for it.
func (w *world) createNode() {
	w.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: w.node}}
	w.create(node)
	w.t.Cleanup(func() { _ = w.c.Delete(context.Background(), node) })
}

// sharesNode creates the pod of another server on the node, whose agent answers.
func (w *world) sharesNode(agent string) *corev1.Pod {
	w.t.Helper()
	pod := w.sharesNodeAs("other-0", agent)
	pod.Status.ContainerStatuses[0].Ready = true
	if err := w.c.Status().Update(w.t.Context(), pod); err != nil {
		w.t.Fatal(err)
	}
	return pod
}

// sharesNodeAs creates the pod of another server on the node, whose agent runs and does
// not answer.
func (w *world) sharesNodeAs(name, agent string) *corev1.Pod {
	w.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: w.ns, Name: name, Labels: objects.Labels("other"),
		Annotations: map[string]string{objects.AnnotationAgentImage: agent},
	}}
	pod.Spec.NodeName = w.node
	pod.Spec.Containers = []corev1.Container{{Name: objects.SSHContainer, Image: agent}}
	w.create(pod)
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{sshRuns(agent)}}
	if err := w.c.Status().Update(w.t.Context(), pod); err != nil {
		w.t.Fatal(err)
	}
	return pod
}

func sshRuns(image string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: objects.SSHContainer, Image: image, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
}

// setSSH changes the status of the SSH server's container, and with it that of the pod,
// as the kubelet would.
func (w *world) setSSH(edit func(*corev1.ContainerStatus)) {
	w.t.Helper()
	pod := &corev1.Pod{}
	w.get(pod, "trainer-0")
	ssh := sshRuns(w.sshImage())
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == objects.SSHContainer {
			ssh = c
		}
	}
	edit(&ssh)
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: objects.ServerContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, Started: new(true), Ready: true}, ssh,
	}
	ready := metav1.ConditionFalse
	if ssh.Ready {
		ready = metav1.ConditionTrue
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionStatus(ready), LastTransitionTime: metav1.Now()}}
	if err := w.c.Status().Update(w.t.Context(), pod); err != nil {
		w.t.Fatal(err)
	}
}

// sshImage is the image of the SSH server in the pod's spec.
func (w *world) sshImage() string {
	w.t.Helper()
	pod := &corev1.Pod{}
	w.get(pod, "trainer-0")
	for _, c := range pod.Spec.Containers {
		if c.Name == objects.SSHContainer {
			return c.Image
		}
	}
	return ""
}

func (w *world) wantSSHImage(image string) {
	w.t.Helper()
	if got := w.sshImage(); got != image {
		w.t.Fatalf("the image of the SSH server is %s, want %s", got, image)
	}
}

// wantAgentUpdate fails the test unless the condition has the reason; empty if it is not
// True.
func (w *world) wantAgentUpdate(reason string) {
	w.t.Helper()
	c := meta.FindStatusCondition(w.read().Status.Conditions, devv1.ConditionAgentUpdatePending)
	if got := c != nil && c.Status == metav1.ConditionTrue; got != (reason != "") || (got && c.Reason != reason) {
		w.t.Fatalf("the condition AgentUpdatePending is %+v, want the reason %q", c, reason)
	}
}

// pulls returns the pods that pull an image.
func (w *world) pulls() []corev1.Pod {
	w.t.Helper()
	list := &corev1.PodList{}
	if err := w.c.List(w.t.Context(), list, client.InNamespace(w.ns), client.MatchingLabels{"app.kubernetes.io/name": "devserver-agent-pull"}); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

func (w *world) endPull(phase corev1.PodPhase) {
	w.t.Helper()
	pulls := w.pulls()
	if len(pulls) != 1 {
		w.t.Fatalf("%d pods pull, want one", len(pulls))
	}
	pulls[0].Status.Phase = phase
	if err := w.c.Status().Update(w.t.Context(), &pulls[0]); err != nil {
		w.t.Fatal(err)
	}
}

// eventWith reports whether an event has the reason, and drops all events.
func (w *world) eventWith(reason string) bool {
	found := false
	for len(w.events.Events) > 0 {
		found = strings.Contains(<-w.events.Events, reason) || found
	}
	return found
}

// An idle server gets the new agent in its running pod, once the image is on the node.
func TestAgentIsUpdatedInTheRunningPod(t *testing.T) {
	w := outdatedServer(t)
	w.createNode()
	before := &corev1.Pod{}
	w.get(before, "trainer-0")

	w.reconcile() // It applies the new template too.
	w.updateRevision()
	w.wantAgentUpdate(devv1.ReasonPullingImage)
	w.wantSSHImage(oldAgent)
	w.settled()
	w.endPull(corev1.PodSucceeded)
	if pull := w.pulls()[0]; pull.Spec.NodeName != w.node || pull.OwnerReferences[0].Kind != "Node" || pull.Spec.Containers[0].Image != newAgent || *pull.Spec.AutomountServiceAccountToken {
		t.Errorf("the pod that pulls is %+v", pull)
	}

	w.reconcile()
	w.wantSSHImage(newAgent)
	w.wantAgentUpdate(devv1.ReasonUpdatingAgent)
	w.setSSH(func(s *corev1.ContainerStatus) { s.Ready = false })
	d := w.settled()
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonStarting, "Processes in the server continue")
	w.agent.report.Version = "2"
	w.setSSH(func(s *corev1.ContainerStatus) { s.Ready, s.RestartCount = true, 1 })
	d = w.settled()
	w.wantAgentUpdate("")
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionTrue, devv1.ReasonAnswering, "")
	w.wantCondition(d, devv1.ConditionRestartPending, metav1.ConditionFalse, devv1.ReasonUpToDate, "")
	if d.Status.AgentVersion != "2" {
		t.Errorf("status.agentVersion is %q, want 2", d.Status.AgentVersion)
	}
	if !w.eventWith(devv1.ReasonAgentUpdated) {
		t.Error("no event reports the update")
	}
	after := &corev1.Pod{}
	w.get(after, "trainer-0")
	if after.UID != before.UID || after.Spec.Containers[0].Image != before.Spec.Containers[0].Image {
		t.Error("more than the SSH server has changed")
	}
	if after.Annotations[objects.AnnotationAgentImage] != newAgent || after.Annotations[objects.AnnotationAgentUpdate] != "" {
		t.Errorf("after the update, the annotations are %v", after.Annotations)
	}
	for _, pull := range w.pulls() {
		if pull.DeletionTimestamp.IsZero() {
			t.Error("the pod that pulled the image was not deleted")
		}
	}
}

// Pods that pull an image belong to the operator's pod, and use its credentials.
func TestPullBelongsToTheOperator(t *testing.T) {
	w := outdatedServer(t)
	own := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "operator"}}
	own.Spec.Containers = []corev1.Container{{Name: "operator", Image: "example.com/operator:2"}}
	own.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
	w.create(own)
	w.r.Config.Agents.Pod = "operator"
	w.reconcile()
	pulls := w.pulls()
	if len(pulls) != 1 || pulls[0].OwnerReferences[0].UID != own.UID || len(pulls[0].Spec.ImagePullSecrets) != 1 {
		t.Fatalf("the pods that pull are %+v", pulls)
	}

	// A failure is reported, disturbs nobody, and is repeated after an hour.
	w.endPull(corev1.PodFailed)
	w.clock.SetTime(pulls[0].CreationTimestamp.Add(time.Minute))
	w.settled()
	w.wantAgentUpdate(devv1.ReasonAgentUpdateFailed)
	w.wantSSHImage(oldAgent)
	if !w.eventWith(devv1.ReasonAgentUpdateFailed) {
		t.Error("no event reports the failure")
	}
	w.clock.SetTime(pulls[0].CreationTimestamp.Add(agentupdate.PullLasts))
	w.reconcile()
	w.wantAgentUpdate(devv1.ReasonPullingImage)
}

// Another server of the node may have decided to pull the image at the same time.
func TestPullOfAnotherServerIsKept(t *testing.T) {
	w := outdatedServer(t)
	w.createNode()
	live := &racingReader{Reader: w.r.Live, create: func(key client.ObjectKey) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{"app.kubernetes.io/name": "devserver-agent-pull"}}}
		pod.Spec.NodeName = w.node
		pod.Spec.Containers = []corev1.Container{{Name: "agent", Image: newAgent}}
		w.create(pod)
	}}
	w.r.Live = live
	w.reconcile()
	if pulls := w.pulls(); live.reads != 2 || len(pulls) != 1 || !pulls[0].DeletionTimestamp.IsZero() {
		t.Errorf("after %d reads, the pods that pull are %+v", live.reads, pulls)
	}
}

// racingReader is a reader of pods that pull. Before the second read, another server's
// reconciler creates the pod.
type racingReader struct {
	client.Reader
	reads  int
	create func(client.ObjectKey)
}

func (r *racingReader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if strings.HasPrefix(key.Name, "devserver-agent-pull-") {
		if r.reads++; r.reads == 2 {
			r.create(key)
		}
	}
	return r.Reader.Get(ctx, key, o, opts...)
}

// The cause of a failed pull is reported as soon as the node has it: it tries again for
// as long as the pod exists.
func TestPullThatFailsIsReported(t *testing.T) {
	for name, tc := range map[string]struct {
		phase corev1.PodPhase
		state corev1.ContainerState
		want  string
	}{
		"no such image": {corev1.PodPending, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: "ImagePullBackOff", Message: `Back-off pulling image "example.com/agent:2": ErrImagePull: not found`,
		}}, "Cause: ErrImagePull: not found"},
		"no such program": {corev1.PodFailed, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "StartError", ExitCode: 128, Message: "no such file or directory",
		}}, "Cause: StartError, exit code 128: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			w := outdatedServer(t)
			w.createNode()
			w.reconcile()
			w.updateRevision()
			pull := w.pulls()[0]
			pull.Status.Phase = tc.phase
			pull.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "agent", State: tc.state}}
			if err := w.c.Status().Update(t.Context(), &pull); err != nil {
				t.Fatal(err)
			}
			w.clock.SetTime(pull.CreationTimestamp.Add(time.Minute))
			d := w.settled()
			w.wantCondition(d, devv1.ConditionAgentUpdatePending, metav1.ConditionTrue, devv1.ReasonAgentUpdateFailed, tc.want)
			w.wantCondition(d, devv1.ConditionRestartPending, metav1.ConditionFalse, devv1.ReasonUpToDate, "")
			w.wantSSHImage(oldAgent)
			if !w.eventWith(devv1.ReasonAgentUpdateFailed) {
				t.Error("no event reports the failure")
			}
		})
	}
}

// The update waits for the end of all sessions, until the deadline, and then warns.
func TestAgentUpdateWaitsForSessions(t *testing.T) {
	w := outdatedServer(t)
	w.sharesNode(newAgent)
	w.agent.report.Sessions = 1
	w.r.Poller.Ask(t.Context(), w.key())
	w.settled()
	w.wantAgentUpdate(devv1.ReasonWaitingForSessions)
	w.wantSSHImage(oldAgent)
	if len(w.pulls()) > 0 {
		t.Error("the image is pulled although a pod on the node uses it")
	}

	w.clock.SetTime(w.clock.Now().Add(agentupdate.DefaultDeadline + time.Minute))
	w.poll()
	w.wantSSHImage(oldAgent)
	if warning := w.agent.instructions.Warning; !strings.Contains(warning, "SSH server will be updated at") {
		t.Errorf("the warning on terminals is %q", warning)
	}
	w.clock.SetTime(w.clock.Now().Add(agentupdate.WarningTime))
	w.reconcile()
	w.wantSSHImage(newAgent)
}

// A session that was opened since the last report delays the update.
func TestSessionBeforeAgentUpdate(t *testing.T) {
	w := outdatedServer(t)
	w.sharesNode(newAgent)
	w.agent.report.Sessions = 1
	w.settled()
	w.wantAgentUpdate(devv1.ReasonWaitingForSessions)
	w.wantSSHImage(oldAgent)
	w.agent.report.Sessions = 0
	if _, news := w.r.Poller.Ask(t.Context(), w.key()); !news {
		t.Error("the end of the last session is no news")
	}
	w.reconcile()
	w.wantSSHImage(newAgent)
}

// If the new agent does not start, the old image comes back, and that image is not tried
// again. The next one is.
func TestAgentUpdateIsRolledBack(t *testing.T) {
	w := outdatedServer(t)
	w.sharesNode(newAgent)
	w.reconcile()
	w.wantSSHImage(newAgent)
	w.setSSH(func(s *corev1.ContainerStatus) {
		s.Ready, s.State = false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}}
	})
	w.reconcile()
	w.wantSSHImage(oldAgent)
	w.setSSH(func(s *corev1.ContainerStatus) {
		s.Ready, s.RestartCount, s.State = true, 2, corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	})
	d := w.settled()
	w.wantCondition(d, devv1.ConditionAgentUpdatePending, metav1.ConditionTrue, devv1.ReasonAgentUpdateFailed, "ErrImagePull: no such image")
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionTrue, devv1.ReasonAnswering, "")
	w.wantSSHImage(oldAgent)
	if !w.eventWith(devv1.ReasonAgentUpdateFailed) {
		t.Error("no event reports the failure")
	}

	other := &corev1.Pod{}
	w.get(other, "other-0")
	next := other.DeepCopy()
	next.Annotations[objects.AnnotationAgentImage], next.Spec.Containers[0].Image = "example.com/agent:3", "example.com/agent:3"
	if err := w.c.Patch(t.Context(), next, client.MergeFrom(other)); err != nil {
		t.Fatal(err)
	}
	w.r.Config.AgentImage = "example.com/agent:3"
	w.reconcile()
	w.wantSSHImage("example.com/agent:3")
}

// An agent that starts and does not answer is rolled back after some minutes, also by
// an operator that has restarted since.
func TestAgentThatDoesNotAnswerIsRolledBack(t *testing.T) {
	w := outdatedServer(t)
	w.createNode()
	w.reconcile()
	w.endPull(corev1.PodSucceeded)
	w.reconcile()
	w.wantSSHImage(newAgent)
	w.setSSH(func(s *corev1.ContainerStatus) { s.Ready, s.RestartCount = false, 1 })
	w.restartOperator()
	w.r.Config.AgentImage = newAgent
	w.settled()
	w.wantSSHImage(newAgent)
	w.clock.SetTime(w.clock.Now().Add(agentupdate.Patience + time.Second))
	w.reconcile()
	w.wantSSHImage(oldAgent)
	for _, pull := range w.pulls() {
		if pull.DeletionTimestamp.IsZero() {
			t.Error("the pod that pulled the image was not deleted")
		}
	}
}

// On a node, one server is updated first, and the others once that one answers.
func TestOneAgentOfANodeIsUpdatedFirst(t *testing.T) {
	w := outdatedServer(t)
	other := w.sharesNode(oldAgent)
	proof := w.sharesNodeAs("proof-0", newAgent) // It shows the image, and does not answer yet.
	update := agentupdate.Update{Image: newAgent, From: oldAgent, StartedAt: metav1.Now()}
	changed := other.DeepCopy()
	changed.Annotations[objects.AnnotationAgentUpdate] = update.String()
	if err := w.c.Patch(t.Context(), changed, client.MergeFrom(other)); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.wantAgentUpdate(devv1.ReasonWaitingForNode)
	w.wantSSHImage(oldAgent)
	proof.Status.ContainerStatuses[0].Ready = true
	if err := w.c.Status().Update(t.Context(), proof); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.wantSSHImage(newAgent)
}

// With OnRestart, only a restart of the server updates its agent, and is pending.
func TestAgentUpdateOnRestart(t *testing.T) {
	w := outdatedServer(t)
	w.r.Config.Agents.Update.Mode = agentupdate.OnRestart
	w.sharesNode(newAgent)
	w.reconcile()
	w.updateRevision()
	d := w.settled()
	w.wantSSHImage(oldAgent)
	w.wantAgentUpdate("")
	w.wantCondition(d, devv1.ConditionRestartPending, metav1.ConditionTrue, devv1.ReasonSettingsChanged, "devctl restart trainer")
}

// A pod that the previous version of the operator created is never patched.
func TestPodOfPreviousVersionKeepsItsAgent(t *testing.T) {
	w := newWorld(t)
	w.node = "node-of-" + w.ns
	w.flavor()
	w.create(w.devServer())
	w.settled()
	pod := w.startPodWith(func(p *corev1.Pod) {
		p.Spec.Containers = p.Spec.Containers[:1]
		delete(p.Annotations, objects.AnnotationAgentImage)
		delete(p.Annotations, objects.AnnotationTemplateHash)
	})
	w.poll()
	w.sharesNode(newAgent)
	w.r.Config.AgentImage = newAgent
	w.reconcile()
	w.updateRevision()
	d := w.settled()
	w.wantAgentUpdate("")
	w.wantCondition(d, devv1.ConditionRestartPending, metav1.ConditionTrue, devv1.ReasonSettingsChanged, "")
	after := &corev1.Pod{}
	w.get(after, "trainer-0")
	was, _ := json.Marshal(pod.Spec)
	is, _ := json.Marshal(after.Spec)
	if !bytes.Equal(was, is) {
		t.Errorf("the pod was %s and is %s", was, is)
	}
}

// With the operator's own watch cache, an update starts and ends by events alone.
func TestAgentUpdateIsWatched(t *testing.T) {
	w := outdatedServer(t, func(d *devv1.DevServer) { // The agent is polled soon if the server can be suspended.
		d.Spec.Lifecycle = &devv1.LifecycleSpec{IdleTimeout: lasting(time.Hour)}
	})
	w.sharesNode(newAgent)
	w.agent.report.Sessions = 1
	w.r.Poller.Ask(t.Context(), w.key())
	w.start()
	await(w, &devv1.DevServer{}, "trainer", func(d *devv1.DevServer) bool {
		c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionAgentUpdatePending)
		return c != nil && c.Reason == devv1.ReasonWaitingForSessions
	})
	w.agent.mu.Lock()
	w.agent.report = agentapi.Report{}
	w.agent.mu.Unlock()
	ctx := t.Context()
	go func() { _ = w.r.Poller.Start(ctx) }()
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return w.sshImage() == newAgent, nil
	})
	if err != nil {
		t.Fatal("the server is not updated after its last session ended")
	}
	w.setSSH(func(s *corev1.ContainerStatus) { s.Ready, s.RestartCount = true, 1 })
	await(w, &corev1.Pod{}, "trainer-0", func(p *corev1.Pod) bool { return p.Annotations[objects.AnnotationAgentImage] == newAgent })
	await(w, &appsv1.StatefulSet{}, "trainer", func(s *appsv1.StatefulSet) bool {
		return s.Spec.Template.Annotations[objects.AnnotationAgentImage] == newAgent
	})
}
