package explain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// now is 16:00 for people in Berlin.
var now = time.Date(2026, time.January, 30, 15, 0, 0, 0, time.UTC)

func at(after time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(after)} }

// explained is what the facts come to, in lines that are not wrapped.
func explained(t *testing.T, f Facts) string {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	f.Now, f.Zone, f.Name = now, berlin, f.DevServer.Name
	if f.Commands == nil {
		f.Commands = allCommands()
	}
	return Text(Explain(f), 10_000, func(title string) string { return "[" + title + "]" })
}

// allCommands have a line for each action: its number.
func allCommands() Commands {
	all := Commands{}
	for a := LogIn; a < Elsewhere; a++ {
		all[a] = fmt.Sprintf("$%d", a)
	}
	return all
}

func line(a Action) string { return fmt.Sprintf("      $%d\n", a) }

// server is a DevServer in a phase for a reason, since an hour.
func server(phase devserverv1.DevServerPhase, reason, message string) *devserverv1.DevServer {
	ds := &devserverv1.DevServer{}
	ds.Namespace, ds.Name, ds.CreationTimestamp = "team", "web", *at(-2 * time.Hour)
	ds.Spec.Owner = "ann"
	ds.Status.Phase, ds.Status.Flavor = phase, "small"
	set(ds, devserverv1.ConditionReady, phase == devserverv1.PhaseRunning, reason, message)
	return ds
}

func set(ds *devserverv1.DevServer, kind string, isTrue bool, reason, message string) {
	state := metav1.ConditionFalse
	if isTrue {
		state = metav1.ConditionTrue
	}
	ds.Status.Conditions = append(ds.Status.Conditions, metav1.Condition{
		Type: kind, Status: state, Reason: reason, Message: message, LastTransitionTime: *at(-time.Hour),
	})
}

func runs() *devserverv1.DevServer {
	ds := server(devserverv1.PhaseRunning, devserverv1.ReasonAnswering, "SSH answers.")
	ds.Status.StartedAt = at(-time.Hour)
	return ds
}

// renewed is a Lease with this renewTime.
func renewed(after time.Duration) *coordinationv1.Lease {
	l := &coordinationv1.Lease{}
	l.Spec.RenewTime = &metav1.MicroTime{Time: now.Add(after)}
	return l
}

func hours(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Hour} }

// Every section has something to say about an idle server.
func TestExplainIdle(t *testing.T) {
	ds := runs()
	ds.Status.Lifecycle = &devserverv1.LifecycleStatus{IdleTimeout: hours(1)}
	ds.Status.Activity = "Idle since 2026-01-30 14:20 UTC. Suspended at 2026-01-30 15:20 UTC, unless it is used before."
	ds.Status.LastActivityAt, ds.Status.SuspendsAt = at(-40*time.Minute), at(20*time.Minute)
	ds.Status.LastDisruption = &devserverv1.Disruption{Reason: "Evicted", Message: "Its node was drained.", Time: at(-24 * time.Hour)}
	ds.Status.OOMKills = 2
	set(ds, devserverv1.ConditionActive, false, devserverv1.ReasonIdle, ds.Status.Activity)
	set(ds, devserverv1.ConditionRestartPending, true, devserverv1.ReasonSettingsChanged, "The flavor changed.")
	want := `web is Running since 2026-01-30 15:00 CET (60m ago). Owner: ann, flavor: small.

[Activity]
  Idle. Last recorded activity: 2026-01-30 15:20 CET (40m ago).
  What counts as activity: keys typed and output on a terminal, a new SSH session, SSH traffic beside terminals of 64 KiB or more per minute, CPU use of 10% of a core or more, GPU use of 2% or more, and devserver-agent keep. An open connection alone does not count.

[What happens next]
  - 2026-01-30 16:05 CET (in 5m): a warning appears on every open terminal of the server
  - 2026-01-30 16:15 CET (in 15m): a warning appears on every open terminal of the server
  - 2026-01-30 16:20 CET (in 20m): it is suspended, unless it is used before. Its home directory is kept.

[Good to know]
  The flavor changed.
  Processes killed since its start because the server had used all of its memory: 2. The server itself kept running.
  Last disruption: Evicted at 2026-01-29 16:00 CET (24h ago): Its node was drained.

[What you can do]
  Log in:
` + line(LogIn) + `  Type anything in a terminal of the server, or keep it awake for some time:
` + line(KeepAwake) + `  Restart it, which ends its processes:
` + line(Restart)
	if diff := cmp.Diff(want, explained(t, Facts{DevServer: ds, Lease: renewed(-40 * time.Minute), Flavor: &devserverv1.DevServerFlavor{}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// active adds the condition Active to a server.
func active(ds *devserverv1.DevServer, state bool, reason, message string) *devserverv1.DevServer {
	ds.Status.Activity = message
	set(ds, devserverv1.ConditionActive, state, reason, message)
	return ds
}

func lasting(ds *devserverv1.DevServer, l devserverv1.LifecycleStatus) *devserverv1.DevServer {
	ds.Status.Lifecycle = &l
	return ds
}

func TestExplain(t *testing.T) {
	keptAwake := renewed(-time.Hour)
	keptAwake.Spec.AcquireTime, keptAwake.Spec.LeaseDurationSeconds = &metav1.MicroTime{Time: now}, new(int32(3*3600))
	flavor := &devserverv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: "small"}}
	const nothing, idle2h = "Nothing stops it", "It is suspended, after a warning, when it has been idle for 2h."
	cases := map[string]struct {
		reason string
		facts  func() Facts
		want   []string
		not    []string
	}{
		"New": {
			reason: "an operator that does not run is the likely cause after a minute",
			facts: func() Facts {
				ds := server("", "", "")
				ds.Status.Conditions = nil
				return Facts{DevServer: ds}
			},
			want: []string{
				"web is new: the operator has not looked at it yet. It was created at 2026-01-30 14:00 CET (120m ago). Owner: ann, flavor: small.",
				"The operator may not be running.\nCheck the cluster:\n    $",
			},
		},
		"Edited": {
			reason: "the status is older than the spec",
			facts:  func() Facts { ds := runs(); ds.Generation = 2; return Facts{DevServer: ds} },
			want:   []string{"Everything here describes the server before the edit."},
		},
		"Unschedulable": {
			reason: "the flavor's status has the figures",
			facts: func() Facts {
				full := flavor.DeepCopy()
				full.Status.InUse = new(int32(7))
				full.Status.Conditions = []metav1.Condition{{Type: devserverv1.ConditionSchedulable, Message: "Of 9 nodes, 9 are full."}}
				ds := server(devserverv1.PhasePending, devserverv1.ReasonUnschedulable, "No node can take the pod: 0/9 nodes are available.")
				return Facts{DevServer: ds, Flavor: full, Pod: &corev1.Pod{}}
			},
			want: []string{
				"web is Pending: it waits for a node. It was created", "0/9 nodes are available. (Unschedulable)",
				"Flavor small: Of 9 nodes, 9 are full.", "including this one: 7.",
				line(ListFlavors), line(ChangeFlavor), line(ListServers), "It starts by itself when the problem is solved.",
			},
			not: []string{"[Activity]"},
		},
		"Quota": {
			reason: "the quota's status has the figures",
			facts: func() Facts {
				quota := corev1.ResourceQuota{}
				quota.Status.Hard = corev1.ResourceList{"requests.nvidia.com/gpu": resource.MustParse("2")}
				quota.Status.Used = quota.Status.Hard
				return Facts{DevServer: server(devserverv1.PhasePending, devserverv1.ReasonQuotaExceeded, "Exceeded."), Quotas: []corev1.ResourceQuota{quota}}
			},
			want: []string{"Used in namespace team now: requests.nvidia.com/gpu: 2 of 2.", "Or ask an admin for a larger quota."},
		},
		"Size": {
			reason: "a size is changed with the verb for it",
			facts: func() Facts {
				return Facts{DevServer: server(devserverv1.PhasePending, devserverv1.ReasonHomeSizeNotAllowed, "Too large.")}
			},
			want: []string{line(ChangeHomeSize)},
			not:  []string{line(Edit), line(ListClaims)},
		},
		"Image": {
			reason: "an image is changed with the verb for it",
			facts: func() Facts {
				return Facts{DevServer: server(devserverv1.PhasePending, devserverv1.ReasonImageNotAllowed, "Not allowed.")}
			},
			want: []string{line(ChangeImage)},
			not:  []string{line(Edit)},
		},
		"Claim": {
			reason: "no other action changes the name of a claim",
			facts: func() Facts {
				return Facts{DevServer: server(devserverv1.PhasePending, devserverv1.ReasonClaimNotFound, "There is no claim data.")}
			},
			want: []string{"web is Pending: it cannot start yet.", "There is no claim data. (ClaimNotFound)", line(ListClaims), line(Edit)},
		},
		"Starting": {
			reason: "the stage says more than the condition",
			facts: func() Facts {
				return Facts{DevServer: server(devserverv1.PhaseStarting, devserverv1.ReasonStarting, "The pod is starting."), Stage: "Its image is being pulled."}
			},
			want: []string{"[Why]\n  Its image is being pulled.\n", line(Wait)},
			not:  []string{"The pod is starting."},
		},
		"StartingWithoutPods": {
			reason: "the gateway sees no pods",
			facts: func() Facts {
				return Facts{DevServer: server(devserverv1.PhaseStarting, devserverv1.ReasonStarting, "The pod is starting.")}
			},
			want: []string{"The pod is starting. (Starting)"},
		},
		"CrashLoop": {
			reason: "the kubelet's delay is added to the last end",
			facts: func() Facts {
				pod := &corev1.Pod{}
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "a-sidecar", RestartCount: 7}, {
					Name: objects.ServerContainer, RestartCount: 4,
					State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Message: "back-off 1m20s restarting failed container=x pod=y"}},
					LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{FinishedAt: *at(-time.Minute)}},
				}}
				return Facts{DevServer: server(devserverv1.PhaseFailed, devserverv1.ReasonCrashLoop, "It ended: exit code 1."), Pod: pod}
			},
			want: []string{
				"Restarts so far: 4. It last ended at 2026-01-30 15:59 CET (60s ago). The next restart is at about 2026-01-30 16:00 CET (in 20s).",
				line(ShowPreviousLogs),
			},
		},
		"SSHServerEnded": {
			reason: "the restarts are those of the SSH server",
			facts: func() Facts {
				pod := &corev1.Pod{}
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: objects.ServerContainer, RestartCount: 4}, {Name: objects.SSHContainer, RestartCount: 2}}
				return Facts{DevServer: server(devserverv1.PhaseFailed, devserverv1.ReasonNotAnswering, "The SSH server ended: exit code 1."), Pod: pod}
			},
			want: []string{"Restarts so far: 2.", line(ShowLogs), line(Restart)},
		},
		"SidecarEnded": {
			reason: "the restarts are those of the container that somebody else added",
			facts: func() Facts {
				pod := &corev1.Pod{}
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: objects.ServerContainer, RestartCount: 4}, {Name: objects.SSHContainer, RestartCount: 5}, {Name: "istio-proxy", RestartCount: 3}}
				return Facts{DevServer: server(devserverv1.PhaseFailed, devserverv1.ReasonContainerNotReady, "The container istio-proxy is not ready."), Pod: pod}
			},
			want: []string{"Restarts so far: 3.", line(ShowEvents)},
		},
		"NothingStopsIt": {
			reason: "the status reports an empty lifecycle",
			facts:  func() Facts { return Facts{DevServer: lasting(runs(), devserverv1.LifecycleStatus{}), Flavor: flavor} },
			want:   []string{"Not tracked, because web has no idle timeout", nothing},
			not:    []string{line(KeepAwake)},
		},
		"LifecycleUnknown": {
			reason: "the cluster's defaults may apply although the status does not show them",
			facts:  func() Facts { return Facts{DevServer: runs(), Flavor: flavor} },
			want:   []string{"Not reported.", "the operator has not reported its idle timeout"},
			not:    []string{nothing, "Not tracked"},
		},
		"JustRunning": {
			reason: "the cluster's default applies before the agent has reported",
			facts: func() Facts {
				return Facts{DevServer: lasting(runs(), devserverv1.LifecycleStatus{IdleTimeout: hours(2)})}
			},
			want: []string{"Not known yet.", idle2h},
			not:  []string{nothing, "Not tracked"},
		},
		"Active": {
			reason: "the status has the timeout that applies, whatever the spec says",
			facts: func() Facts {
				ds := active(runs(), true, devserverv1.ReasonActive, "Started, resumed or active within the last 10m.")
				ds.Spec.Lifecycle = &devserverv1.LifecycleSpec{IdleTimeout: hours(5)}
				return Facts{DevServer: lasting(ds, devserverv1.LifecycleStatus{IdleTimeout: hours(2)}), Lease: renewed(-3 * time.Minute)}
			},
			want: []string{
				"Active. Started, resumed or active within the last 10m. Last recorded activity: 2026-01-30 15:57 CET (3m ago).", idle2h, line(ShowActivity),
			},
			not: []string{"What counts", nothing},
		},
		"ActiveWithAnOlderOperator": {
			reason: "Active alone shows that something suspends it",
			facts: func() Facts {
				return Facts{DevServer: active(runs(), true, devserverv1.ReasonActive, "CPU use.")}
			},
			want: []string{"when it has been idle for its idle timeout"},
			not:  []string{nothing},
		},
		"KeptAwakeByItsLease": {
			reason: "the Lease has the time, in the person's zone",
			facts: func() Facts {
				ds := active(runs(), true, devserverv1.ReasonKeptAwake, "Kept awake until 2026-01-30 18:00 UTC.")
				return Facts{DevServer: ds, Lease: keptAwake, Flavor: flavor}
			},
			want: []string{
				"[Activity]\n  Kept awake until 2026-01-30 19:00 CET (in 3h).", "- 2026-01-30 19:00 CET (in 3h): it is no longer kept awake",
				"It is not suspended for being idle while it is kept awake.",
			},
			not: []string{"UTC", nothing},
		},
		"KeptAwakeWithinAnUnknownBound": {
			reason: "a flavor that is not visible may allow less than the Lease asks for",
			facts: func() Facts {
				return Facts{DevServer: active(runs(), true, devserverv1.ReasonKeptAwake, "Kept awake until 2026-01-30 16:00 UTC."), Lease: keptAwake}
			},
			want: []string{"Kept awake until 2026-01-30 16:00 UTC."},
			not:  []string{"19:00"},
		},
		"KeptAwakeByAProcess": {
			reason: "the operator's sentence is quoted as it is",
			facts: func() Facts {
				return Facts{DevServer: active(runs(), true, devserverv1.ReasonKeptAwake, "Kept awake by torchrun.")}
			},
			want: []string{"[Activity]\n  Kept awake by torchrun.\n"},
		},
		"AgentUnreachable": {
			reason: "unknown counts as active",
			facts: func() Facts {
				return Facts{DevServer: active(runs(), false, devserverv1.ReasonAgentUnreachable, "The agent does not answer.")}
			},
			want: []string{"Unknown. The agent does not answer.", "not suspended for being idle while its activity is unknown"},
		},
		"Warned": {
			reason: "the time of a stop that is near comes from its field",
			facts: func() Facts {
				ds := runs()
				ds.Status.SuspendsAt, ds.Status.ExpiresAt = at(4*time.Minute), at(time.Hour)
				set(ds, devserverv1.ConditionStopPending, true, devserverv1.ReasonStopImminent, "Suspended at 2026-01-30 15:04 UTC.")
				return Facts{DevServer: ds}
			},
			want: []string{"Warning: it will be suspended at 2026-01-30 16:04 CET (in 4m), unless it is used before."},
			not:  []string{"UTC"},
		},
		"WarnedOfItsEnd": {
			reason: "the nearest stop counts",
			facts: func() Facts {
				ds := lasting(runs(), devserverv1.LifecycleStatus{TimeToLive: hours(8), OnExpire: devserverv1.ExpireDelete})
				ds.Status.SuspendsAt, ds.Status.ExpiresAt = at(time.Hour), at(4*time.Minute)
				set(ds, devserverv1.ConditionStopPending, true, devserverv1.ReasonStopImminent, "")
				return Facts{DevServer: ds}
			},
			want: []string{"Warning: it reaches its time to live at 2026-01-30 16:04 CET (in 4m) and will be deleted."},
		},
		"Expires": {
			reason: "a time to live does not ask about activity",
			facts: func() Facts {
				ds := lasting(runs(), devserverv1.LifecycleStatus{TimeToLive: hours(8), OnExpire: devserverv1.ExpireDelete})
				ds.Status.ExpiresAt = at(7 * time.Hour)
				return Facts{DevServer: ds}
			},
			want: []string{
				"- 2026-01-30 23:00 CET (in 7h): it reaches its time to live and is deleted, even if it is active. Its home directory is kept.",
				"- 2026-01-30 22:45 CET", line(Extend),
			},
		},
		"ExpiresWithAnEphemeralHome": {
			reason: "an ephemeral home ends with every stop",
			facts: func() Facts {
				ds := runs()
				ds.Spec.Home, ds.Status.ExpiresAt = &devserverv1.HomeSpec{Ephemeral: true}, at(time.Hour)
				return Facts{DevServer: ds}
			},
			want: []string{"is stopped, even if it is active. Its home directory is ephemeral and is deleted."},
			not:  []string{"is kept"},
		},
		"Scheduled": {
			reason: "the status has the schedule that applies",
			facts: func() Facts {
				return Facts{DevServer: lasting(runs(), devserverv1.LifecycleStatus{Schedule: &devserverv1.Schedule{Stop: "0 20 * * *", TimeZone: "Europe/Berlin"}})}
			},
			want: []string{"- 2026-01-30 20:00 CET (in 4h): its schedule's stop"},
			not:  []string{nothing},
		},
		"TheFlavorsTimeout": {
			reason: "an older operator reports no lifecycle",
			facts: func() Facts {
				theirs := flavor.DeepCopy()
				theirs.Spec.Lifecycle = &devserverv1.LifecycleSpec{IdleTimeout: hours(5)}
				return Facts{DevServer: active(runs(), true, devserverv1.ReasonActive, "CPU use."), Flavor: theirs}
			},
			want: []string{"idle for 5h"},
		},
		"Suspended": {
			reason: "the home goes with the DevServer if its owner wants that",
			facts: func() Facts {
				ds := lasting(server(devserverv1.PhaseSuspended, devserverv1.ReasonIdle, "The server was idle for its idle timeout."), devserverv1.LifecycleStatus{})
				ds.Status.SuspendedAt, ds.Status.DeletesAt = at(-time.Hour), at(48*time.Hour)
				ds.Status.SSH = &devserverv1.SSHStatus{Gateway: &devserverv1.SSHGateway{Host: "gw"}}
				ds.Spec.Home = &devserverv1.HomeSpec{RetentionPolicy: devserverv1.HomeDelete}
				return Facts{DevServer: ds, Lease: renewed(-3 * time.Hour)}
			},
			want: []string{
				"web is Suspended since 2026-01-30 15:00 CET (60m ago).", "It was last active at 2026-01-30 13:00 CET (3h ago).",
				"until it is started, or until a user connects to it through the gateway.",
				"- 2026-02-01 16:00 CET (in 2d): the DevServer is deleted, unless it is started before. Its home directory is deleted with it.",
				line(Wake),
			},
		},
		"SuspendedByItsSchedule": {
			reason: "the schedule starts it again",
			facts: func() Facts {
				ds := server(devserverv1.PhaseSuspended, devserverv1.ReasonScheduled, "The server was idle after its schedule's stop.")
				return Facts{DevServer: lasting(ds, devserverv1.LifecycleStatus{Schedule: &devserverv1.Schedule{Start: "0 8 * * 1-5", TimeZone: "Europe/Berlin"}})}
			},
			want: []string{"- 2026-02-02 08:00 CET (in 2d16h): its schedule starts it"},
			not:  []string{"until it is started"},
		},
		"SuspendedWithAnUnknownSchedule": {
			reason: "a schedule that is not reported may start it",
			facts: func() Facts {
				return Facts{DevServer: server(devserverv1.PhaseSuspended, devserverv1.ReasonIdle, "The server was idle.")}
			},
			not: []string{"until it is started"},
		},
		"Expired": {
			reason: "only its owner can start it",
			facts: func() Facts {
				return Facts{DevServer: server(devserverv1.PhaseExpired, devserverv1.ReasonExpired, "The server reached its time to live.")}
			},
			want: []string{"web is Expired: it reached its time to live and was stopped.", "until its owner starts it", line(Start)},
		},
		"Deleting": {
			reason: "nothing can be done any more",
			facts: func() Facts {
				ds := server(devserverv1.PhaseTerminating, devserverv1.ReasonTerminating, "The DevServer is being deleted.")
				ds.DeletionTimestamp = at(-time.Minute)
				return Facts{DevServer: ds, Flavor: flavor}
			},
			want: []string{"web is Terminating since 2026-01-30 15:59 CET (60s ago): it is being deleted.", "up to 30s to end. Its home directory is kept."},
			not:  []string{"What you can do"},
		},
		"EditRefused": {
			reason: "a server that is Running can have a spec that does not work",
			facts: func() Facts {
				ds := runs()
				set(ds, devserverv1.ConditionAccepted, false, devserverv1.ReasonFlavorNotFound, "There is no flavor huge.")
				return Facts{DevServer: ds}
			},
			want: []string{"could not be started again: There is no flavor huge. (FlavorNotFound)"},
		},
		"Live": {
			reason: "figures come from the agent, which its user controls",
			facts: func() Facts {
				return Facts{DevServer: runs(), Report: &agentapi.Report{
					Signals: []agentapi.Signal{
						{Name: agentapi.SignalCPU, IdleSeconds: 200, Value: "CPU 0%\x1b[2J"},
						{Name: agentapi.SignalTerminal, IdleSeconds: -1, Value: "no key yet"},
						{Name: "quantum", IdleSeconds: 0, Value: "3 qubits"},
						{Name: "far", IdleSeconds: 1e300},
						{Name: agentapi.SignalKeep, IdleSeconds: 2, Value: "kept by bash"},
					},
					Home: &agentapi.Room{SizeBytes: 3 << 29, FreeBytes: 1 << 20},
				}}
			},
			want: []string{
				"- CPU: 0%\\x1b[2J (last activity 3m ago)\n", "- Terminals: no key yet (no activity since the agent started)\n", "- quantum: 3 qubits (last activity just now)\n",
				"- Kept awake by: bash (last activity 2s ago)\n", "- far: (last activity 87600h ago)", "Its home directory has 1 MiB free of 1.5 GiB.",
			},
		},
		"LiveAndNotKeptAwake": {
			reason: "agents of an earlier version say so in other words",
			facts: func() Facts {
				return Facts{DevServer: runs(), Report: &agentapi.Report{Signals: []agentapi.Signal{{Name: agentapi.SignalKeep, IdleSeconds: 1, Value: "nothing is kept"}}}}
			},
			want: []string{"- Kept awake by: no process (last activity 1s ago)\n"},
		},
		"NotLive": {
			reason: "ssh can fail",
			facts:  func() Facts { return Facts{DevServer: runs(), ReportError: "ssh: Permission denied (publickey)."} },
			want:   []string{"Its current figures are not available: ssh: Permission denied (publickey)."},
		},
		"FewCommands": {
			reason: "only what this person can do is offered",
			facts: func() Facts {
				return Facts{
					DevServer: server(devserverv1.PhasePending, devserverv1.ReasonUnschedulable, "No node."),
					Commands:  Commands{ListServers: "list them", Elsewhere: "elsewhere"},
				}
			},
			want: []string{"[What you can do]\n  List your servers, and stop one that you do not need:\n      list them\n  With devctl and access to the cluster you can do more:\n      elsewhere\n"},
			not:  []string{"List the flavors"},
		},
		"AllCommands": {
			reason: "there is no elsewhere for somebody who can do everything here",
			facts: func() Facts {
				all := allCommands()
				all[Elsewhere] = "elsewhere"
				return Facts{DevServer: runs(), Commands: all}
			},
			not: []string{"elsewhere"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := explained(t, tc.facts())
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s: %q is not in\n%s", tc.reason, want, got)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(got, not) {
					t.Errorf("%s: %q is in\n%s", tc.reason, not, got)
				}
			}
		})
	}
}

// There is a remedy for every reason for which a server does not run.
func TestEveryReasonHasARemedy(t *testing.T) {
	for reason, offered := range remedies {
		ds := server(devserverv1.PhaseFailed, reason, "")
		if s := advice(Facts{DevServer: ds, Commands: allCommands()}); len(s.Paragraphs) == 0 || len(offered) == 0 {
			t.Errorf("%s has none", reason)
		}
	}
	for _, reason := range reasons(t) {
		if _, ok := remedies[reason]; !ok {
			t.Errorf("%s has none", reason)
		}
	}
}

func TestWrapBreaksBetweenWordsOnly(t *testing.T) {
	got := wrap("at 2026-01-30 with --home-size and a word-that-is-longer-than-the-line", 20)
	want := []string{"at 2026-01-30 with", "--home-size and a", "word-that-is-longer-than-the-line"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
