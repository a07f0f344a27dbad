package list

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

var created = metav1.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

var lastActivity = metav1.NewTime(created.Add(70 * time.Minute))

func servers() []devserverv1.DevServer {
	running := devserverv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "runs", CreationTimestamp: created},
		Spec:       devserverv1.DevServerSpec{Owner: "ann@example.com"},
		Status: devserverv1.DevServerStatus{
			Phase: devserverv1.PhaseRunning, Flavor: "small", NodeName: "n1", AgentVersion: "0.2.0",
			SSH: &devserverv1.SSHStatus{Command: "ssh -p 31022 dev@10.0.0.7"},
			Conditions: []metav1.Condition{
				{Type: devserverv1.ConditionReady, Status: metav1.ConditionTrue, Reason: devserverv1.ReasonAnswering, Message: "SSH answers."},
				{Type: devserverv1.ConditionActive, Status: metav1.ConditionFalse, Reason: devserverv1.ReasonIdle},
				{Type: devserverv1.ConditionRestartPending, Status: metav1.ConditionTrue, Message: "The flavor changed."},
				{Type: devserverv1.ConditionHomeFull, Status: metav1.ConditionTrue, Message: "The home directory is full."},
			},
			LastActivityAt: &lastActivity,
		},
	}
	waits := devserverv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "waits", CreationTimestamp: created},
		Spec:       devserverv1.DevServerSpec{Owner: "bob"},
		Status: devserverv1.DevServerStatus{
			Phase:      devserverv1.PhasePending,
			Conditions: []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Reason: "FlavorNotFound", Message: "There is no flavor huge."}},
		},
	}
	return []devserverv1.DevServer{running, waits}
}

func TestTable(t *testing.T) {
	list := &devserverv1.DevServerList{Items: servers()}
	cases := map[string]struct {
		reason  string
		options printers.PrintOptions
		want    string
	}{
		"Table": {
			reason: "reason says why a server is not ready, and what else needs attention",
			want: `
NAME    PHASE     REASON                    ACTIVITY   FLAVOR   OWNER             AGE
runs    Running   HomeFull,RestartPending   Idle 20m   small    ann@example.com   90m
waits   Pending   FlavorNotFound            <none>     <none>   bob               90m
`,
		},
		"Wide": {
			reason:  "what was granted, the node, the ssh command and the messages",
			options: printers.PrintOptions{Wide: true, WithNamespace: true},
			want: `
NAMESPACE   NAME    PHASE     REASON                    ACTIVITY   FLAVOR   OWNER             AGE   CPU      MEMORY   GPU      HOME     NODE     AGENT    SSH                         MESSAGE
lab         runs    Running   HomeFull,RestartPending   Idle 20m   small    ann@example.com   90m   2        4Gi      <none>   10Gi     n1       0.2.0    ssh -p 31022 dev@10.0.0.7   The home directory is full. The flavor changed.
team        waits   Pending   FlavorNotFound            <none>     <none>   bob               90m   <none>   <none>   <none>   <none>   <none>   <none>   <none>                      There is no flavor huge.
`,
		},
	}
	granted := map[types.NamespacedName]resources{{Namespace: "lab", Name: "runs"}: {cpu: figure{granted: "2"}, memory: figure{granted: "4Gi"}, home: figure{granted: "10Gi"}}}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := printers.NewTablePrinter(tc.options).PrintObj(table(list, granted, created.Add(90*time.Minute)), &out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), out.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRunPrintsWhatIsAskedFor(t *testing.T) {
	objects := servers()
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(&objects[0], &objects[1]).Build()
	in := func(namespace, format string, all bool) Options {
		return Options{Namespace: namespace, Flags: output.Flags{Format: format, Namespaces: all}}
	}
	cases := map[string]struct {
		options   Options
		out, note string
	}{
		"Name":      {in("team", output.Name, false), "devserver.devserver.io/waits\n", ""},
		"AllNames":  {in("team", output.Name, true), "devserver.devserver.io/runs\ndevserver.devserver.io/waits\n", ""},
		"None":      {in("empty", output.Table, false), "", "There are no DevServers in namespace empty.\n"},
		"NoneNames": {in("empty", output.Name, false), "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var out, note bytes.Buffer
			if err := Run(t.Context(), c, nil, tc.options, genericiooptions.IOStreams{Out: &out, ErrOut: &note}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.out, tc.note}, []string{out.String(), note.String()}); diff != "" {
				t.Errorf("output and note (-want +got):\n%s", diff)
			}
		})
	}
}

func TestActivity(t *testing.T) {
	for want, active := range map[string]metav1.Condition{
		"Active":    {Status: metav1.ConditionTrue, Reason: devserverv1.ReasonActive},
		"KeptAwake": {Status: metav1.ConditionTrue, Reason: devserverv1.ReasonKeptAwake},
		"Unknown":   {Status: metav1.ConditionUnknown, Reason: devserverv1.ReasonAgentUnreachable},
		"Idle":      {Status: metav1.ConditionFalse, Reason: devserverv1.ReasonIdle},
	} {
		active.Type = devserverv1.ConditionActive
		ds := &devserverv1.DevServer{Status: devserverv1.DevServerStatus{Phase: devserverv1.PhaseRunning, Conditions: []metav1.Condition{active}}}
		if got := activity(ds, time.Now()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
