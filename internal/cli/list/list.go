package list

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

// Options say what to list, and how. With Namespaces it is those of all.
type Options struct {
	output.Flags
	Namespace string
	// Owner, if any, is whose are listed; with Mine it is the person's own.
	Owner string
	Mine  bool
	Watch bool
}

// Run lists DevServers.
func Run(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
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
		fmt.Fprintf(streams.ErrOut, "There are no DevServers %s.\n", o.where())
	}
	p := o.printer(c, streams.Out)
	switch {
	case o.Watch:
		return o.watch(ctx, c, p, list)
	case len(list.Items) == 0 && o.ForPeople():
		return nil
	case o.ForPeople():
		return p.rows(list)
	}
	return o.Print(list, c.Scheme(), streams.Out)
}

// list reads what is asked for, in the order of names.
func (o Options) list(ctx context.Context, c client.Client) (*devserverv1.DevServerList, error) {
	var list devserverv1.DevServerList
	if err := c.List(ctx, &list, o.scope()...); err != nil {
		return nil, cluster.Explain(err, "listing DevServers "+o.where())
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

// where says what was looked through.
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

// table arranges DevServers in columns. Those of priority 1 are for wide
// output. Why a server does not run is in every table.
func table(list *devserverv1.DevServerList, now time.Time) *metav1.Table {
	t := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name"},
		{Name: "Phase", Type: "string"},
		{Name: "Reason", Type: "string"},
		{Name: "Flavor", Type: "string"},
		{Name: "Owner", Type: "string"},
		{Name: "Age", Type: "string"},
		{Name: "Node", Type: "string", Priority: 1},
		{Name: "SSH", Type: "string", Priority: 1},
		{Name: "Message", Type: "string", Priority: 1},
	}}
	for i := range list.Items {
		ds := &list.Items[i]
		var reason, message, command string
		if ready := meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionReady); ready != nil && ready.Status != metav1.ConditionTrue {
			reason, message = ready.Reason, ready.Message
		}
		if ds.Status.SSH != nil {
			command = ds.Status.SSH.Command
		}
		age := duration.HumanDuration(now.Sub(ds.CreationTimestamp.Time))
		t.Rows = append(t.Rows, metav1.TableRow{
			Cells: []any{
				ds.Name, output.OrNone(string(ds.Status.Phase)), output.OrNone(reason), output.OrNone(ds.Status.Flavor), ds.Spec.Owner, age,
				output.OrNone(ds.Status.NodeName), output.OrNone(command), output.OrNone(message),
			},
			Object: runtime.RawExtension{Object: ds},
		})
	}
	return t
}
