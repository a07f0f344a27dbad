package why

import (
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
)

// now is 16:00 for people in Berlin.
var now = time.Date(2026, time.January, 30, 15, 0, 0, 0, time.UTC)

func at(after time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(after)} }

// story is what the facts come to, in lines that are not broken.
func story(t *testing.T, f facts) string {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	f.now, f.zone = now, berlin
	var out strings.Builder
	for _, p := range tell(f) {
		if p.title != "" {
			out.WriteString("[" + p.title + "]\n")
		}
		for _, para := range p.paras {
			switch {
			case para.line:
				out.WriteString("$ ")
			case para.item:
				out.WriteString("- ")
			}
			out.WriteString(para.text + "\n")
		}
	}
	return out.String()
}

// server is a DevServer in a phase for a reason, since an hour.
func server(phase devserverv1.DevServerPhase, reason, message string) *devserverv1.DevServer {
	ds := &devserverv1.DevServer{}
	ds.Namespace, ds.Name, ds.CreationTimestamp = "team", "box", *at(-2 * time.Hour)
	ds.Spec.Owner = "ann"
	ds.Status.Phase, ds.Status.Flavor = phase, "small"
	set(ds, devserverv1.ConditionReady, phase == devserverv1.PhaseRunning, reason, message)
	return ds
}

func set(ds *devserverv1.DevServer, kind string, is bool, reason, message string) {
	state := metav1.ConditionFalse
	if is {
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

func lease(renewed time.Duration) *coordinationv1.Lease {
	l := &coordinationv1.Lease{}
	l.Spec.RenewTime = &metav1.MicroTime{Time: now.Add(renewed)}
	return l
}

func hours(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Hour} }

// An idle server is the whole of it: every part has something to say.
func TestStoryOfAnIdleServer(t *testing.T) {
	ds := runs()
	ds.Spec.Lifecycle = &devserverv1.LifecycleSpec{IdleTimeout: hours(1)}
	ds.Status.Activity = "Idle since 2026-01-30 14:20 UTC (CPU 1%, 1 silent ssh session); suspends at 2026-01-30 15:20 UTC."
	ds.Status.LastActivityAt, ds.Status.SuspendsAt = at(-40*time.Minute), at(20*time.Minute)
	ds.Status.LastDisruption = &devserverv1.Disruption{Reason: "Evicted", Message: "Its node was drained.", Time: at(-24 * time.Hour)}
	ds.Status.OOMKills = 2
	set(ds, devserverv1.ConditionActive, false, devserverv1.ReasonIdle, ds.Status.Activity)
	set(ds, devserverv1.ConditionRestartPending, true, devserverv1.ReasonSettingsChanged, "The flavor changed.")
	want := `DevServer box (of ann, flavor small) runs, and you can log in, since 2026-01-30 15:00 CET (60m ago).
[Is it at work?]
No. It last was at 2026-01-30 15:20 CET (40m ago). What it showed when that was noticed: CPU 1%, 1 silent ssh session.
What counts: keys typed and output on a terminal, a new SSH session, 64 KiB a minute over SSH beside terminals, CPU use from 10% of a core on, GPU use from 2% on, and devserver-agent keep. A connection alone is no work.
[What happens next]
- 2026-01-30 16:05 CET (in 5m): you are warned, on every open terminal of the server
- 2026-01-30 16:15 CET (in 15m): you are warned, on every open terminal of the server
- 2026-01-30 16:20 CET (in 20m): it is suspended for want of work, unless somebody works in it until then; its home directory is kept
[Good to know]
The flavor changed.
Since its start, 2 of its processes were killed because all of its memory was in use. The server itself lived on.
It was last interrupted at 2026-01-29 16:00 CET (24h ago): Its node was drained.
[What you can do]
Log in:
$ devctl ssh box -n team
Type anything in it, or keep it for a while, whatever it does:
$ devctl keep box 6h -n team
Restart it, which ends all that runs in it:
$ devctl restart box -n team
`
	if diff := cmp.Diff(want, story(t, facts{devServer: ds, lease: lease(-40 * time.Minute)})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Of the others, what is theirs.
func TestStory(t *testing.T) {
	cases := map[string]struct {
		facts func() facts
		want  []string // sentences in it
		not   []string // sentences that are not
	}{
		"New": {
			facts: func() facts {
				ds := server("", "", "")
				ds.Status.Conditions = nil
				return facts{devServer: ds}
			},
			want: []string{"is new: the operator has not looked at it yet; it was created 2026-01-30 14:00 CET (120m ago).", "the operator may not be running. devctl doctor tells."},
		},
		"Edited": {
			facts: func() facts { ds := runs(); ds.Generation = 2; return facts{devServer: ds} },
			want:  []string{"what follows is about how it was before."},
		},
		"Unschedulable": {
			facts: func() facts {
				ds := server(devserverv1.PhasePending, devserverv1.ReasonUnschedulable, "No node can take the pod: 0/9 nodes are available.")
				flavor := &devserverv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: "small"}}
				flavor.Status.InUse = new(int32(7))
				flavor.Status.Conditions = []metav1.Condition{{Type: devserverv1.ConditionSchedulable, Message: "Of 9 nodes, 9 are full."}}
				return facts{devServer: ds, flavor: flavor, pod: &corev1.Pod{}}
			},
			want: []string{
				"waits for a node; it was created", "0/9 nodes are available. (Unschedulable)",
				"Of the flavor small: Of 9 nodes, 9 are full. Servers of this flavor that hold resources or wait for them, this one included: 7.",
				"$ devctl flavors", "$ devctl resize box --flavor FLAVOR -n team", "It starts by itself as soon as that is settled.",
			},
			not: []string{"[Is it at work?]"},
		},
		"Quota": {
			facts: func() facts {
				quota := corev1.ResourceQuota{}
				quota.Status.Hard = corev1.ResourceList{"requests.nvidia.com/gpu": resource.MustParse("2")}
				quota.Status.Used = quota.Status.Hard
				return facts{devServer: server(devserverv1.PhasePending, devserverv1.ReasonQuotaExceeded, "No room."), quotas: []corev1.ResourceQuota{quota}}
			},
			want: []string{"In use in namespace team now: requests.nvidia.com/gpu: 2 of 2.", "Or ask the admin for more."},
		},
		"Claim": {
			facts: func() facts {
				return facts{devServer: server(devserverv1.PhasePending, devserverv1.ReasonClaimNotFound, "There is no claim data.")}
			},
			want: []string{"is not started, because something is in the way", "There is no claim data. (ClaimNotFound)", "$ kubectl get persistentvolumeclaims -n team"},
		},
		"Starting": {
			facts: func() facts {
				return facts{devServer: server(devserverv1.PhaseStarting, devserverv1.ReasonStarting, "The pod is being created and started."), pod: &corev1.Pod{}}
			},
			want: []string{"A node is being looked for: looking for a node. Nothing is in the way.", "$ devctl wait box -n team"},
		},
		"CrashLoop": {
			facts: func() facts {
				pod := &corev1.Pod{}
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
					RestartCount:         4,
					State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Message: "back-off 1m20s restarting failed container=x pod=y"}},
					LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{FinishedAt: *at(-time.Minute)}},
				}}
				return facts{devServer: server(devserverv1.PhaseFailed, devserverv1.ReasonCrashLoop, "It ended: exit code 1."), pod: pod}
			},
			want: []string{
				"It was started again 4 times. The last time it ended was 2026-01-30 15:59 CET (60s ago). The next try is at about 2026-01-30 16:00 CET (in 20s).",
				"$ devctl logs box --previous -n team",
			},
		},
		"Unwatched": {
			facts: func() facts { return facts{devServer: runs()} },
			want:  []string{"nothing suspends it for want of work", "Nothing stops it by itself: it has no idle timeout, no time to live and no schedule."},
			not:   []string{"devctl keep"},
		},
		"Working": {
			facts: func() facts {
				ds := runs()
				ds.Spec.Lifecycle = &devserverv1.LifecycleSpec{IdleTimeout: hours(2)}
				ds.Status.Activity = "At work: GPU use."
				set(ds, devserverv1.ConditionActive, true, devserverv1.ReasonActive, ds.Status.Activity)
				return facts{devServer: ds, lease: lease(-3 * time.Minute)}
			},
			want: []string{
				"Yes: GPU use. The last of it that was noted down was at 2026-01-30 15:57 CET (3m ago).",
				"It is suspended once it has been without work for 2h, after a warning.",
			},
			not: []string{"What counts"},
		},
		"WorkingByTheClustersTimeout": {
			facts: func() facts {
				ds := runs()
				set(ds, devserverv1.ConditionActive, true, devserverv1.ReasonActive, "At work: CPU use.")
				return facts{devServer: ds}
			},
			want: []string{"once it has been without work for its idle timeout"},
			not:  []string{"Nothing stops it"},
		},
		"Kept": {
			facts: func() facts {
				ds := runs()
				ds.Status.Activity = "Kept until 2026-01-30 18:00 UTC by its Lease."
				set(ds, devserverv1.ConditionActive, true, devserverv1.ReasonKeptAwake, ds.Status.Activity)
				l := lease(-time.Hour)
				l.Spec.AcquireTime, l.Spec.LeaseDurationSeconds = &metav1.MicroTime{Time: now}, new(int32(3*3600))
				return facts{devServer: ds, lease: l}
			},
			want: []string{"It counts as that: it is kept until 2026-01-30 19:00 CET (in 3h), whatever it does.", "- 2026-01-30 19:00 CET (in 3h): its keep ends", "It is not suspended for want of work while it is kept."},
			not:  []string{"once it has been without work"},
		},
		"KeptByAProcess": {
			facts: func() facts {
				ds := runs()
				ds.Status.Activity = "Kept by torchrun (over night)."
				set(ds, devserverv1.ConditionActive, true, devserverv1.ReasonKeptAwake, ds.Status.Activity)
				return facts{devServer: ds}
			},
			want: []string{"It counts as that. Kept by torchrun (over night)."},
		},
		"Silent": {
			facts: func() facts {
				ds := runs()
				ds.Status.Activity = "The agent does not answer, so the server counts as at work. It is not suspended."
				set(ds, devserverv1.ConditionActive, false, devserverv1.ReasonAgentUnreachable, ds.Status.Activity)
				return facts{devServer: ds}
			},
			want: []string{"Nobody knows. The agent does not answer", "It is not suspended for want of work as long as that is so."},
		},
		"Warned": {
			facts: func() facts {
				ds := runs()
				ds.Status.SuspendsAt = at(4 * time.Minute)
				set(ds, devserverv1.ConditionStopPending, true, devserverv1.ReasonStopImminent, "Last warning: this server is suspended at 2026-01-30 15:04 UTC, because nobody works in it.")
				return facts{devServer: ds}
			},
			want: []string{"Last warning: this server is suspended at 2026-01-30 16:04 CET"},
		},
		"Expires": {
			facts: func() facts {
				ds := runs()
				ds.Spec.Lifecycle = &devserverv1.LifecycleSpec{TimeToLive: hours(8), OnExpire: devserverv1.ExpireDelete}
				ds.Status.ExpiresAt = at(7 * time.Hour)
				return facts{devServer: ds}
			},
			want: []string{"- 2026-01-30 23:00 CET (in 7h): its time to live is over, and it is deleted, whatever it does. Its home directory is kept", "- 2026-01-30 22:45 CET", "$ devctl extend box 6h -n team"},
		},
		"Scheduled": {
			facts: func() facts {
				ds := runs()
				ds.Spec.Lifecycle = &devserverv1.LifecycleSpec{Schedule: &devserverv1.Schedule{Stop: "0 20 * * *", TimeZone: "Europe/Berlin"}}
				return facts{devServer: ds}
			},
			want: []string{"- 2026-01-30 20:00 CET (in 4h): the stop of its schedule"},
			not:  []string{"Nothing stops it"},
		},
		"ByTheFlavor": {
			facts: func() facts {
				flavor := &devserverv1.DevServerFlavor{}
				flavor.Spec.Lifecycle = &devserverv1.LifecycleSpec{IdleTimeout: hours(5)}
				ds := runs()
				set(ds, devserverv1.ConditionActive, true, devserverv1.ReasonActive, "At work: CPU use.")
				return facts{devServer: ds, flavor: flavor}
			},
			want: []string{"without work for 5h"},
		},
		"Asleep": {
			facts: func() facts {
				ds := server(devserverv1.PhaseSuspended, devserverv1.ReasonIdle, "The server was without work for its idle timeout.")
				ds.Status.SuspendedAt, ds.Status.DeletesAt = at(-time.Hour), at(48*time.Hour)
				ds.Spec.Home = &devserverv1.HomeSpec{RetentionPolicy: devserverv1.HomeDelete}
				return facts{devServer: ds, lease: lease(-3 * time.Hour)}
			},
			want: []string{
				"sleeps, since 2026-01-30 15:00 CET (60m ago).", "It was last at work at 2026-01-30 13:00 CET (3h ago).", "It sleeps until somebody starts it.",
				"- 2026-02-01 16:00 CET (in 2d): the DevServer is deleted, because it will have slept for as long as it may. Its home directory goes with it",
				"$ devctl start box -n team",
			},
		},
		"AsleepBySchedule": {
			facts: func() facts {
				ds := server(devserverv1.PhaseSuspended, devserverv1.ReasonScheduled, "The server was without work after the stop of its schedule.")
				ds.Spec.Lifecycle = &devserverv1.LifecycleSpec{Schedule: &devserverv1.Schedule{Start: "0 8 * * 1-5", Stop: "0 15 * * *", TimeZone: "Europe/Berlin"}}
				return facts{devServer: ds}
			},
			want: []string{"- 2026-02-02 08:00 CET (in 2d16h): its schedule starts it"},
			not:  []string{"until somebody starts it"},
		},
		"Expired": {
			facts: func() facts {
				return facts{devServer: server(devserverv1.PhaseExpired, devserverv1.ReasonExpired, "The server's time to live is over.")}
			},
			want: []string{"was stopped, because its time to live is over", "It stays so until its owner starts it.", "$ devctl start box -n team"},
		},
		"Deleting": {
			facts: func() facts {
				ds := server(devserverv1.PhaseTerminating, devserverv1.ReasonTerminating, "The DevServer is being deleted.")
				ds.DeletionTimestamp = at(-time.Minute)
				return facts{devServer: ds}
			},
			want: []string{"is being deleted, since 2026-01-30 15:59 CET", "Its processes have 30s to end, then it is gone. Its home directory is kept."},
			not:  []string{"What you can do"},
		},
		"EditRefused": {
			facts: func() facts {
				ds := runs()
				set(ds, devserverv1.ConditionAccepted, false, devserverv1.ReasonFlavorNotFound, "There is no flavor huge.")
				return facts{devServer: ds}
			},
			want: []string{"Edits do not take effect now, and it could not be started again: There is no flavor huge."},
		},
		"Live": {
			facts: func() facts {
				return facts{devServer: runs(), live: &agentapi.Report{
					Signals: []agentapi.Signal{
						{Name: agentapi.SignalCPU, IdleSeconds: 200, Value: "CPU 0%\x1b[2J"},
						{Name: agentapi.SignalTerminal, IdleSeconds: -1, Value: "no key yet"},
						{Name: "quantum", IdleSeconds: 0, Value: "3 qubits"},
					},
					Home: &agentapi.Room{SizeBytes: 3 << 29, FreeBytes: 1 << 20},
				}}
			},
			want: []string{
				"- CPU: 0%?[2J (was work 3m ago)", "- Terminals: no key yet (no work since its start)", "- quantum: 3 qubits (was work just now)",
				"Its home directory has 1 MiB free of 1.5 GiB.",
			},
		},
		"NotLive": {
			facts: func() facts { return facts{devServer: runs(), notLive: "ssh says: Permission denied (publickey)."} },
			want:  []string{"It does not say how that is at this moment: ssh says: Permission denied (publickey)."},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := story(t, tc.facts())
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in\n%s", want, got)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(got, not) {
					t.Errorf("%q is in\n%s", not, got)
				}
			}
		})
	}
}

// Every reason that a DevServer may not run for has a remedy.
func TestEveryReasonHasARemedy(t *testing.T) {
	for reason, offered := range remedies {
		ds := server(devserverv1.PhaseFailed, reason, "")
		if p := advice(facts{devServer: ds}); len(p.paras) == 0 || len(offered) == 0 {
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

func TestRefusal(t *testing.T) {
	for complaint, want := range map[string]string{
		"subsystem request failed on channel 0":               "its agent is too old to tell. A restart brings a new one.",
		"Warning: x\ndev@h: Permission denied (publickey).\n": "ssh says: dev@h: Permission denied (publickey).",
	} {
		if got := refusal(complaint, nil); got != want {
			t.Errorf("%q: got %q", complaint, got)
		}
	}
}
