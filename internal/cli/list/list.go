package list

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

// Options say what to list, and how. With Namespaces it lists all namespaces.
type Options struct {
	output.Flags
	Namespace string
	// Owner, if set, is the owner of the DevServers to list; Mine sets it to the
	// user.
	Owner string
	Mine  bool
	Watch bool
}

// Run lists DevServers.
//
// Wide output asks the servers what they use, unless ask is nil or the list is
// watched: rows must not wait for servers that do not answer.
func Run(ctx context.Context, c client.WithWatch, ask Asker, o Options, streams genericiooptions.IOStreams) error {
	if o.Mine {
		var err error
		if o.Owner, err = cluster.Me(ctx, c); err != nil {
			return err
		}
	}
	list, err := o.list(ctx, c)
	if err != nil {
		return err
	}
	if len(list.Items) == 0 && o.ForPeople() {
		output.Printf(streams.ErrOut, "There are no DevServers %s.\n", o.where())
	}
	p := o.printer(c, streams.Out)
	if !o.Watch {
		p.ask = ask
	}
	switch {
	case o.Watch:
		return o.watch(ctx, c, p, list)
	case len(list.Items) == 0 && o.ForPeople():
		return nil
	case o.ForPeople():
		return p.rows(ctx, list)
	}
	return o.Print(list, c.Scheme(), streams.Out)
}

// list reads the DevServers that match, in the order of their names.
func (o Options) list(ctx context.Context, c client.Client) (*devserverv1.DevServerList, error) {
	var list devserverv1.DevServerList
	if err := c.List(ctx, &list, o.scope()...); err != nil {
		return nil, cluster.ExplainList(err, "listing DevServers "+o.where(), o.Namespaces)
	}
	list.Items = slices.DeleteFunc(list.Items, func(ds devserverv1.DevServer) bool { return !o.wants(&ds) })
	slices.SortStableFunc(list.Items, func(a, b devserverv1.DevServer) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return &list, nil
}

func (o Options) wants(ds *devserverv1.DevServer) bool {
	return o.Owner == "" || ds.Spec.Owner == o.Owner
}

func (o Options) scope() []client.ListOption {
	if o.Namespaces {
		return nil
	}
	return []client.ListOption{client.InNamespace(o.Namespace)}
}

// where describes the scope of the list.
func (o Options) where() string {
	where := "in namespace " + o.Namespace
	if o.Namespaces {
		where = "in all namespaces"
	}
	if o.Owner != "" {
		where = "of " + o.Owner + " " + where
	}
	return where
}

// The columns for wide output, and those that a narrow terminal leaves out, in that
// order.
var (
	wide   = []string{"CPU", "Memory", "GPU", "Home", "Node", "Agent", "SSH", "Message"}
	narrow = []string{"SSH", "Agent", "Node", "GPU", "CPU", "Memory", "Home", "Owner", "Age", "Flavor", "Activity"}
)

// table arranges DevServers in columns.
func table(list *devserverv1.DevServerList, known map[types.NamespacedName]resources, now time.Time) *metav1.Table {
	t := output.NewTable(slices.Concat([]string{"Name", "Phase", "Reason", "Activity", "Flavor", "Owner", "Age"}, wide), wide...)
	for i := range list.Items {
		ds := &list.Items[i]
		var command string
		if ds.Status.SSH != nil {
			command = ds.Status.SSH.Command
		}
		reasons, messages := attention(ds)
		r := known[client.ObjectKeyFromObject(ds)]
		output.AddRow(t, ds,
			ds.Name, output.OrNone(string(ds.Status.Phase)), output.OrNone(strings.Join(reasons, ",")), output.OrNone(activity(ds, now)),
			output.OrNone(ds.Status.Flavor), ds.Spec.Owner, duration.HumanDuration(now.Sub(ds.CreationTimestamp.Time)),
			r.cpu.cell(), r.memory.cell(), r.gpu.cell(), r.home.cell(),
			output.OrNone(ds.Status.NodeName), output.OrNone(ds.Status.AgentVersion), output.OrNone(command), output.OrNone(strings.Join(messages, " ")))
	}
	return t
}

// attention says why the server is not ready, and what else its owner should know.
func attention(ds *devserverv1.DevServer) (reasons, messages []string) {
	ready := meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionReady)
	if ready != nil && ready.Status != metav1.ConditionTrue {
		reasons, messages = append(reasons, ready.Reason), append(messages, ready.Message)
	}
	for _, kind := range []string{devserverv1.ConditionHomeFull, devserverv1.ConditionRestartPending, devserverv1.ConditionResizePending, devserverv1.ConditionStopPending} {
		if c := meta.FindStatusCondition(ds.Status.Conditions, kind); c != nil && c.Status == metav1.ConditionTrue {
			reasons, messages = append(reasons, kind), append(messages, c.Message)
		}
	}
	return reasons, messages
}

// activity is the activity of a running server in a word; empty if it is not
// tracked.
func activity(ds *devserverv1.DevServer, now time.Time) string {
	c := meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionActive)
	if c == nil || ds.Status.Phase != devserverv1.PhaseRunning {
		return ""
	}
	switch {
	case c.Status == metav1.ConditionUnknown:
		return "Unknown"
	case c.Status == metav1.ConditionTrue && c.Reason == devserverv1.ReasonKeptAwake:
		return "KeptAwake"
	case c.Status == metav1.ConditionTrue:
		return "Active"
	case ds.Status.LastActivityAt == nil:
		return "Idle"
	}
	return "Idle " + duration.HumanDuration(now.Sub(ds.Status.LastActivityAt.Time))
}
