package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// nextAgentImage contains the agent with another version, which ends in "-next".
const nextAgentImage = "devserver.io/test/agent:0.1.0"

// TestAgentUpdate: after an upgrade of the chart, a running server without sessions gets
// the new agent at once, and one with sessions gets it when its last session ends. The
// processes of both continue. If the node cannot pull the new image, the old agent keeps
// running. The test runs alone because the chart sets the agent of all servers.
func TestAgentUpdate(t *testing.T) {
	s := newSite(t)
	h := newRelease(s)
	// With a short idle timeout, the operator often asks how many sessions are open.
	quiet, used := s.start(s.suspendedWhenIdle("quiet", soon)), s.start(s.suspendedWhenIdle("used", soon))
	before := map[*server]corev1.Pod{}
	jobs := map[*server]string{}
	for _, b := range []*server{quiet, used} {
		before[b] = *b.running(b.ds).readPod()
		jobs[b] = b.sh("nohup devserver-agent keep -- sleep 1000 > /dev/null 2>&1 < /dev/null & echo $!")
	}
	shell := used.shell()

	h.upgrade("images.agent=localhost:1/no-such-agent:1.0")
	quiet.updatePending(v1.ReasonAgentUpdateFailed)
	for b, pod := range before {
		if restarts := restartsOf(b.readPod()); !maps.Equal(restarts, restartsOf(&pod)) {
			s.Errorf("%s: its containers were restarted although the image cannot be pulled: %v", b.ds.Name, restarts)
		}
	}

	h.upgrade("images.agent=" + nextAgentImage)
	quiet.updated(before[quiet])
	used.updatePending(v1.ReasonWaitingForSessions)
	shell.enter("exit 5")
	shell.ended(5)
	used.updated(before[used])
	for b, pid := range jobs {
		b.want("kill -0 "+pid+" && echo alive", "alive")
		c := b.terminal()
		c.enter("exit 6")
		c.ended(6)
	}
}

// updatePending waits until the condition AgentUpdatePending has the reason.
func (b *server) updatePending(reason string) {
	b.Helper()
	await(b.site, b.ds, "AgentUpdatePending with the reason "+reason, func(d *v1.DevServer) bool {
		b.noRestart(d)
		c := meta.FindStatusCondition(d.Status.Conditions, v1.ConditionAgentUpdatePending)
		return c != nil && c.Status == metav1.ConditionTrue && c.Reason == reason
	})
}

// updated waits until the server has the new agent, and checks that only the container
// of the SSH server has been restarted.
func (b *server) updated(before corev1.Pod) {
	b.Helper()
	ds := await(b.site, b.ds, "updated", func(d *v1.DevServer) bool {
		b.noRestart(d)
		return strings.HasSuffix(d.Status.AgentVersion, "-next") && d.Status.Phase == v1.PhaseRunning &&
			meta.IsStatusConditionFalse(d.Status.Conditions, v1.ConditionAgentUpdatePending)
	})
	pod := b.readPod()
	if pod.UID != before.UID {
		b.Errorf("%s has another pod after the update of its agent", ds.Name)
	}
	restarts, earlier := restartsOf(pod), restartsOf(&before)
	if restarts["devserver"] != earlier["devserver"] || restarts[objects.SSHContainer] != earlier[objects.SSHContainer]+1 {
		b.Errorf("%s: restarts of its containers before the update %v, after it %v", ds.Name, earlier, restarts)
	}
}

// noRestart checks that the server does not report RestartPending.
func (b *server) noRestart(d *v1.DevServer) {
	b.Helper()
	if c := meta.FindStatusCondition(d.Status.Conditions, v1.ConditionRestartPending); c != nil && c.Status != metav1.ConditionFalse {
		b.Errorf("%s is RestartPending: %s", d.Name, c.Message)
	}
}

func restartsOf(p *corev1.Pod) map[string]int32 {
	restarts := map[string]int32{}
	for _, c := range p.Status.ContainerStatuses {
		restarts[c.Name] = c.RestartCount
	}
	return restarts
}

// release is the Helm release of the operator.
type release struct {
	*site
	helm string
}

// newRelease returns the release, and restores its current revision when the test ends.
func newRelease(s *site) *release {
	s.Helper()
	local, err := cluster.Binary("local")
	if err != nil {
		s.Fatal(err)
	}
	h := &release{s, filepath.Join(s.must(openssh.Tool(s.bounded(), local, "binaries", "--only", "helm")), "helm")}
	var history []struct{ Revision int }
	if err := json.Unmarshal([]byte(s.must(h.command(s.bounded(), "history", "devserver", "--max=1", "--output=json"))), &history); err != nil || len(history) != 1 {
		s.Fatalf("reading the history of the release: %v, %v", history, err)
	}
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		s.must(h.command(ctx, "rollback", "devserver", strconv.Itoa(history[0].Revision), "--wait"))
	})
	return h
}

func (h *release) command(ctx context.Context, args ...string) *exec.Cmd {
	return openssh.Tool(ctx, h.helm, append([]string{"--kubeconfig", h.c.Kubeconfig, "--namespace", "devserver-system"}, args...)...)
}

// upgrade changes values of the release, and waits until the operator runs with them.
func (h *release) upgrade(values string) {
	h.Helper()
	chart := filepath.Join(cluster.Root(), "charts", "devserver-operator")
	h.must(h.command(h.bounded(), "upgrade", "devserver", chart, "--reuse-values", "--set="+values, "--wait"))
}
