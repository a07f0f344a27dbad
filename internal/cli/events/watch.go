package events

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

// watch prints new events until ctx ends.
func (o Options) watch(ctx context.Context, c client.WithWatch, ds *devserverv1.DevServer, versions map[string]string, streams genericiooptions.IOStreams) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	happened, broken := make(chan watch.Event), make(chan error, len(versions))
	for name, version := range versions {
		go func() { broken <- follow(ctx, c, o.Namespace, name, version, happened) }()
	}
	for {
		select {
		case <-ctx.Done():
			return nil // Ctrl-C ends it.
		case err := <-broken:
			return cluster.Explain(err, "watching the events of DevServer "+o.Name)
		case change := <-happened:
			e, ok := change.Object.(*corev1.Event)
			if !ok || change.Type == watch.Deleted || !concerns(ds, e) {
				continue
			}
			if err := o.printOne(c, e, streams); err != nil {
				return err
			}
		}
	}
}

// follow sends the events of one object. It reconnects when the API server ends the
// watch.
func follow(ctx context.Context, c client.WithWatch, namespace, name, version string, happened chan<- watch.Event) error {
	source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		scope := scope(namespace, name)
		scope.Raw = &options
		return c.Watch(ctx, &corev1.EventList{}, scope)
	}}
	changes, err := toolswatch.NewRetryWatcherWithContext(ctx, version, source)
	if err != nil {
		return err
	}
	defer changes.Stop()
	for change := range changes.ResultChan() {
		if change.Type == watch.Error {
			return fmt.Errorf("the API server ended the watch: %v", change.Object)
		}
		select {
		case happened <- change:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// printOne prints one event as a line: the widths of columns are not known yet.
func (o Options) printOne(c client.Client, e *corev1.Event, streams genericiooptions.IOStreams) error {
	if !o.ForPeople() {
		return o.Print(e, c.Scheme(), streams.Out)
	}
	_, err := output.Printf(streams.Out, "%s  %-7s  %s  %s/%s  %s\n", Last(e).Local().Format(time.TimeOnly), e.Type, e.Reason,
		strings.ToLower(e.InvolvedObject.Kind), e.InvolvedObject.Name, strings.Join(strings.Fields(e.Message), " "))
	return err
}
