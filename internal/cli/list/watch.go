package list

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

// printer prints DevServers as they change. The columns keep their width, and their
// names are printed once.
type printer struct {
	Options
	client client.Client
	ask    Asker
	out    io.Writer
	table  printers.ResourcePrinter
	tabs   interface {
		io.Writer
		Flush() error
	}
	// omitted are the columns that the terminal has no room for, as the first rows
	// decide.
	omitted []string
	begun   bool
}

func (o Options) printer(c client.Client, out io.Writer) *printer {
	options := printers.PrintOptions{Wide: o.Format == output.Wide, WithNamespace: o.Namespaces}
	return &printer{Options: o, client: c, out: out, table: printers.NewTablePrinter(options), tabs: printers.GetNewTabWriter(out)}
}

// rows prints a row for each.
func (p *printer) rows(ctx context.Context, list *devserverv1.DevServerList) error {
	var known map[types.NamespacedName]resources
	if p.Format == output.Wide {
		known = p.resources(ctx, list)
	}
	t, width := table(list, known, time.Now()), output.Width(p.out)
	if !p.begun {
		p.begun, p.omitted = true, p.Excess(t, width, narrow...)
	}
	t = output.Without(t, p.omitted)
	if !p.Watch { // A later row may be wider, and the columns keep their width.
		t = p.WrapLast(t, width)
	}
	if err := p.table.PrintObj(t, p.tabs); err != nil {
		return err
	}
	return p.tabs.Flush()
}

// resources returns what each server was granted and, as far as it is known, what it
// uses of that.
func (p *printer) resources(ctx context.Context, list *devserverv1.DevServerList) map[types.NamespacedName]resources {
	all := grants(ctx, p.client, p.scope(), list)
	if p.ask == nil {
		return all
	}
	for name, report := range usage(ctx, p.ask, list) {
		r := all[name]
		r.use(report)
		all[name] = r
	}
	return all
}

// one prints one that is new or has changed.
func (p *printer) one(ctx context.Context, ds *devserverv1.DevServer) error {
	return p.all(ctx, &devserverv1.DevServerList{Items: []devserverv1.DevServer{*ds}})
}

// watch prints a list, and then each change, until ctx ends. If the API server no
// longer has the changes since the list, it reads the list again.
func (o Options) watch(ctx context.Context, c client.WithWatch, p *printer, list *devserverv1.DevServerList) error {
	for {
		if err := p.all(ctx, list); err != nil {
			return err
		}
		err := o.follow(ctx, c, p, list.ResourceVersion)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // Ctrl-C is how it ends.
		}
		if !errors.Is(err, errForgotten) {
			return err
		}
		if list, err = o.list(ctx, c); err != nil {
			return err
		}
	}
}

// all prints those that are new or have changed.
func (p *printer) all(ctx context.Context, list *devserverv1.DevServerList) error {
	if !p.ForPeople() {
		return meta.EachListItem(list, func(item runtime.Object) error { return p.Print(item, p.client.Scheme(), p.out) })
	}
	if len(list.Items) == 0 {
		return nil
	}
	return p.rows(ctx, list)
}

// errForgotten means that the API server no longer has the changes since the list.
var errForgotten = errors.New("the API server no longer has the changes since then")

// follow prints the changes after a version. It reconnects when the connection
// breaks.
func (o Options) follow(ctx context.Context, c client.WithWatch, p *printer, version string) error {
	source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
		return c.Watch(ctx, &devserverv1.DevServerList{}, append(o.scope(), &client.ListOptions{Raw: &raw})...)
	}}
	changes, err := watchtools.NewRetryWatcherWithContext(ctx, version, source)
	if err != nil {
		return fmt.Errorf("watching DevServers %s: %w", o.where(), err)
	}
	defer changes.Stop()
	for change := range changes.ResultChan() {
		if change.Type == watch.Error {
			err := apierrors.FromObject(change.Object)
			if apierrors.IsGone(err) || apierrors.IsResourceExpired(err) {
				return errForgotten
			}
			return cluster.Explain(err, "watching DevServers "+o.where())
		}
		if ds, ok := change.Object.(*devserverv1.DevServer); ok && change.Type != watch.Bookmark && o.wants(ds) {
			if err := p.one(ctx, ds); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("watching DevServers %s: the watch ended", o.where())
}
