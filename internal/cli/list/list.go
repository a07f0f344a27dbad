package list

import (
	"context"
	"fmt"
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
}

// Run lists DevServers.
func Run(ctx context.Context, c client.Client, o Options, streams genericiooptions.IOStreams) error {
	var list devserverv1.DevServerList
	where, scope := "in all namespaces", []client.ListOption{}
	if !o.Namespaces {
		where, scope = "in namespace "+o.Namespace, append(scope, client.InNamespace(o.Namespace))
	}
	if err := c.List(ctx, &list, scope...); err != nil {
		return cluster.Explain(err, "listing DevServers "+where)
	}
	switch {
	case !o.ForPeople():
		return o.Print(&list, c.Scheme(), streams.Out)
	case len(list.Items) == 0:
		_, err := fmt.Fprintf(streams.ErrOut, "There are no DevServers %s.\n", where)
		return err
	}
	return o.PrintTable(table(&list, time.Now()), streams.Out)
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
