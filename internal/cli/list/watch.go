package list

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

// printer prints DevServers as they come. The columns keep the width that they
// have had, and their names are said once.
type printer struct {
	Options
	client client.Client
	out    io.Writer
	table  printers.ResourcePrinter
	tabs   interface {
		io.Writer
		Flush() error
	}
}

func (o Options) printer(c client.Client, out io.Writer) *printer {
	options := printers.PrintOptions{Wide: o.Format == output.Wide, WithNamespace: o.Namespaces}
	return &printer{Options: o, client: c, out: out, table: printers.NewTablePrinter(options), tabs: printers.GetNewTabWriter(out)}
}

// rows prints a row for each.
func (p *printer) rows(list *devserverv1.DevServerList) error {
	if err := p.table.PrintObj(table(list, time.Now()), p.tabs); err != nil {
		return err
	}
	return p.tabs.Flush()
}

// one prints one that is new or has changed.
func (p *printer) one(ds *devserverv1.DevServer) error {
	if p.ForPeople() {
		return p.rows(&devserverv1.DevServerList{Items: []devserverv1.DevServer{*ds}})
	}
	return p.Print(ds, p.client.Scheme(), p.out)
}

// watch prints a list, and then each change of what is asked for, until ctx
// ends. When the API server has forgotten what came after the list, it is read
// anew.
func (o Options) watch(ctx context.Context, c client.WithWatch, p *printer, list *devserverv1.DevServerList) error {
	for {
		if err := p.all(list); err != nil {
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

func (p *printer) all(list *devserverv1.DevServerList) error {
	if p.ForPeople() && len(list.Items) > 0 {
		return p.rows(list)
	}
	for i := range list.Items {
		if p.ForPeople() {
			break
		}
		if err := p.one(&list.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

// errForgotten: the API server does not know any more what changed since.
var errForgotten = errors.New("the changes since then are forgotten")

// follow prints changes after a version. A connection that breaks off is made
// again.
func (o Options) follow(ctx context.Context, c client.WithWatch, p *printer, version string) error {
	source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
		return c.Watch(ctx, &devserverv1.DevServerList{}, append(o.scope(), &client.ListOptions{Raw: &raw, Namespace: o.inNamespace()})...)
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
			if err := p.one(ds); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("watching DevServers %s: the watch ended", o.where())
}

func (o Options) inNamespace() string {
	if o.Namespaces {
		return ""
	}
	return o.Namespace
}
