package describe

import (
	"cmp"
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/events"
	"devserver.io/devserver/internal/objects"
)

// seen is what the page shows. An object that does not exist, or that this person
// cannot read, is nil.
type seen struct {
	devServer *devserverv1.DevServer
	flavor    *devserverv1.DevServerFlavor
	claim     *corev1.PersistentVolumeClaim
	user      *devserverv1.DevServerUser // the owner
	events    []corev1.Event
	now       time.Time
	zone      *time.Location // the person's
}

// Run describes a DevServer.
func Run(ctx context.Context, c client.Client, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.Get(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	if !o.ForPeople() {
		return o.Print(ds, c.Scheme(), streams.Out)
	}
	s := seen{devServer: ds, now: time.Now(), zone: time.Local}
	if err := s.look(ctx, c); err != nil {
		return err
	}
	return s.write(streams.Out)
}

// look reads the objects around the DevServer.
func (s *seen) look(ctx context.Context, c client.Reader) (err error) {
	ds := s.devServer
	if name := cmp.Or(ds.Status.Flavor, ds.Spec.Flavor); name != "" {
		if s.flavor, err = cluster.Find(ctx, c, &devserverv1.DevServerFlavor{}, "", name); err != nil {
			return err
		}
	}
	if claim := objects.HomeClaimOf(ds); claim != "" {
		if s.claim, err = cluster.Find(ctx, c, &corev1.PersistentVolumeClaim{}, ds.Namespace, claim); err != nil {
			return err
		}
	}
	doing := "describing DevServer " + ds.Name
	if s.user, err = cluster.UserOf(ctx, c, ds.Spec.Owner); err != nil && !apierrors.IsForbidden(err) {
		return cluster.Explain(err, doing)
	}
	list, _, err := events.Of(ctx, c, ds)
	if err != nil && !apierrors.IsForbidden(err) {
		return cluster.Explain(err, doing)
	}
	s.events = list.Items
	return nil
}
