package list

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

var created = metav1.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func servers() []devserverv1.DevServer {
	running := devserverv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "runs", CreationTimestamp: created},
		Spec:       devserverv1.DevServerSpec{Owner: "ann@example.com"},
		Status: devserverv1.DevServerStatus{
			Phase: devserverv1.PhaseRunning, Flavor: "small", NodeName: "n1",
			SSH:        &devserverv1.SSHStatus{Command: "ssh -p 31022 dev@10.0.0.7"},
			Conditions: []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "SSHAnswering", Message: "SSH answers."}},
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
			reason: "the cause stands beside the phase, where there is one",
			want: `
NAME    PHASE     REASON           FLAVOR   OWNER             AGE
runs    Running   <none>           small    ann@example.com   90m
waits   Pending   FlavorNotFound   <none>   bob               90m
`,
		},
		"Wide": {
			reason:  "the whole sentence, the node and the line to type",
			options: printers.PrintOptions{Wide: true, WithNamespace: true},
			want: `
NAMESPACE   NAME    PHASE     REASON           FLAVOR   OWNER             AGE   NODE     SSH                         MESSAGE
lab         runs    Running   <none>           small    ann@example.com   90m   n1       ssh -p 31022 dev@10.0.0.7   <none>
team        waits   Pending   FlavorNotFound   <none>   bob               90m   <none>   <none>                      There is no flavor huge.
`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := printers.NewTablePrinter(tc.options).PrintObj(table(list, created.Add(90*time.Minute)), &out); err != nil {
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
			if err := Run(t.Context(), c, tc.options, genericiooptions.IOStreams{Out: &out, ErrOut: &note}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.out, tc.note}, []string{out.String(), note.String()}); diff != "" {
				t.Errorf("output and note (-want +got):\n%s", diff)
			}
		})
	}
}
