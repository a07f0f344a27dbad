package why

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/objects"
)

// Run tells the story.
func Run(ctx context.Context, to *cluster.Cluster, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.Get(ctx, to.Client, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	f := facts{devServer: ds, now: time.Now(), zone: zone()}
	if err := f.gather(ctx, to.Client); err != nil {
		return err
	}
	if o.Live && ds.Status.Phase == devserverv1.PhaseRunning {
		f.live, f.notLive = ask(ctx, to, ds)
	}
	return show(streams.Out, tell(f), width(streams.Out))
}

// gather reads what there is around the DevServer. What this person may not
// see is left out of the story.
func (f *facts) gather(ctx context.Context, c client.Client) (err error) {
	ds := f.devServer
	if f.lease, err = cluster.Lease(ctx, c, ds); err != nil && !hidden(err) {
		return err
	}
	f.pod, err = find(ctx, c, &corev1.Pod{}, ds.Namespace, objects.PodName(ds.Name))
	if err != nil {
		return err
	}
	if name := objects.HomeClaimOf(ds); name != "" {
		if f.claim, err = find(ctx, c, &corev1.PersistentVolumeClaim{}, ds.Namespace, name); err != nil {
			return err
		}
	}
	if name := cmp.Or(ds.Status.Flavor, ds.Spec.Flavor); name != "" {
		if f.flavor, err = find(ctx, c, &devserverv1.DevServerFlavor{}, "", name); err != nil {
			return err
		}
	}
	var quotas corev1.ResourceQuotaList
	var events corev1.EventList
	for list, scope := range map[client.ObjectList][]client.ListOption{
		&quotas: {client.InNamespace(ds.Namespace)},
		&events: {client.InNamespace(ds.Namespace), client.MatchingFields{"involvedObject.name": objects.PodName(ds.Name)}},
	} {
		if err := c.List(ctx, list, scope...); err != nil && !hidden(err) {
			return cluster.Explain(err, "reading what is around DevServer "+ds.Name)
		}
	}
	f.quotas, f.events = quotas.Items, events.Items
	return nil
}

// hidden tells of something that this person may not see.
func hidden(err error) bool { return apierrors.IsForbidden(err) }

// find reads an object; nil where there is none to see.
func find[T client.Object](ctx context.Context, c client.Reader, object T, namespace, name string) (T, error) {
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	if err == nil {
		return object, nil
	}
	var none T
	if apierrors.IsNotFound(err) || hidden(err) {
		return none, nil
	}
	return none, cluster.Explain(err, fmt.Sprintf("reading %T %s", object, name))
}
