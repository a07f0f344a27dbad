package list

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
)

// formats are the values of --output.
var formats = []string{"table", "wide", "json", "yaml", "name"}

// Options say what to list, and how.
type Options struct {
	Namespace string
	All       bool
	Output    string
}

// printFunc prints a list of DevServers.
type printFunc func(*devserverv1.DevServerList, io.Writer) error

// printerFor returns how to print what the options ask for.
func printerFor(o Options) (printFunc, error) {
	var printer printers.ResourcePrinter
	switch o.Output {
	case "table", "wide":
		return func(list *devserverv1.DevServerList, w io.Writer) error {
			options := printers.PrintOptions{Wide: o.Output == "wide", WithNamespace: o.All}
			return printers.NewTablePrinter(options).PrintObj(table(list, time.Now()), w)
		}, nil
	case "json":
		printer = &printers.JSONPrinter{}
	case "yaml":
		printer = &printers.YAMLPrinter{}
	case "name":
		printer = itemPrinter{&printers.NamePrinter{}}
	default:
		return nil, fmt.Errorf("--output %q is not one of %v", o.Output, formats)
	}
	return func(list *devserverv1.DevServerList, w io.Writer) error {
		// An item of a list does not say what it is, and the printers ask.
		list.SetGroupVersionKind(devserverv1.GroupVersion.WithKind("DevServerList"))
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(devserverv1.GroupVersion.WithKind("DevServer"))
			list.Items[i].ManagedFields = nil
		}
		return printer.PrintObj(list, w)
	}, nil
}

// itemPrinter prints the DevServers of a list one by one, for printers that
// take no lists.
type itemPrinter struct{ printers.ResourcePrinter }

func (p itemPrinter) PrintObj(object runtime.Object, w io.Writer) error {
	list, ok := object.(*devserverv1.DevServerList)
	if !ok {
		return fmt.Errorf("printing a %T: it is not a list of DevServers", object)
	}
	for i := range list.Items {
		if err := p.ResourcePrinter.PrintObj(&list.Items[i], w); err != nil {
			return err
		}
	}
	return nil
}

// Run lists DevServers.
func Run(ctx context.Context, c client.Reader, o Options, show printFunc, streams genericiooptions.IOStreams) error {
	var list devserverv1.DevServerList
	where, scope := "in all namespaces", []client.ListOption{}
	if !o.All {
		where, scope = "in namespace "+o.Namespace, append(scope, client.InNamespace(o.Namespace))
	}
	if err := c.List(ctx, &list, scope...); err != nil {
		return cluster.Explain(err, "listing DevServers "+where)
	}
	if len(list.Items) == 0 && slices.Contains(formats[:2], o.Output) {
		_, err := fmt.Fprintf(streams.ErrOut, "There are no DevServers %s.\n", where)
		return err
	}
	return show(&list, streams.Out)
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
				ds.Name, orNone(string(ds.Status.Phase)), orNone(reason), orNone(ds.Status.Flavor), ds.Spec.Owner, age,
				orNone(ds.Status.NodeName), orNone(command), orNone(message),
			},
			Object: runtime.RawExtension{Object: ds},
		})
	}
	return t
}

// orNone shows a cell without a value as kubectl does.
func orNone(cell string) string {
	if cell == "" {
		return "<none>"
	}
	return cell
}
