package describe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
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
		return cluster.Explain(err, "describing DevServer "+ds.Name)
	}
	return s.write(streams.Out)
}

// look reads the objects around the DevServer.
func (s *seen) look(ctx context.Context, c client.Reader) (err error) {
	ds := s.devServer
	if name := cmp.Or(ds.Status.Flavor, ds.Spec.Flavor); name != "" {
		if s.flavor, err = find(ctx, c, &devserverv1.DevServerFlavor{}, client.ObjectKey{Name: name}); err != nil {
			return err
		}
	}
	claim := objects.HomeClaimOf(ds)
	if claim != "" {
		if s.claim, err = find(ctx, c, &corev1.PersistentVolumeClaim{}, client.ObjectKey{Namespace: ds.Namespace, Name: claim}); err != nil {
			return err
		}
	}
	if s.user, err = userOf(ctx, c, ds.Spec.Owner); err != nil {
		return err
	}
	for _, name := range []string{ds.Name, objects.PodName(ds.Name), claim} {
		var list corev1.EventList
		err := c.List(ctx, &list, client.InNamespace(ds.Namespace), client.MatchingFields{"involvedObject.name": name})
		if err != nil && !apierrors.IsForbidden(err) {
			return err
		}
		s.events = append(s.events, list.Items...)
	}
	slices.SortStableFunc(s.events, func(a, b corev1.Event) int { return lastSeen(a).Compare(lastSeen(b)) })
	return nil
}

// userOf is the DevServerUser of an owner. Only admins can read those.
func userOf(ctx context.Context, c client.Reader, owner string) (*devserverv1.DevServerUser, error) {
	var users devserverv1.DevServerUserList
	if err := c.List(ctx, &users); err != nil {
		if apierrors.IsForbidden(err) {
			return nil, nil
		}
		return nil, err
	}
	for i := range users.Items {
		if u := &users.Items[i]; u.Spec.Owner == owner && u.Status.Namespace != "" {
			return u, nil
		}
	}
	return nil, nil
}

// find reads an object; nil if it does not exist, or cannot be read by this person.
func find[T client.Object](ctx context.Context, c client.Reader, object T, key client.ObjectKey) (T, error) {
	err := c.Get(ctx, key, object)
	if err == nil {
		return object, nil
	}
	var none T
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return none, nil
	}
	return none, fmt.Errorf("reading %s: %w", key, err)
}

// lastSeen is when an event was seen last, whichever field has that.
func lastSeen(e corev1.Event) time.Time {
	latest := e.CreationTimestamp.Time
	for _, t := range []time.Time{e.LastTimestamp.Time, e.EventTime.Time} {
		if t.After(latest) {
			latest = t
		}
	}
	if e.Series != nil && e.Series.LastObservedTime.After(latest) {
		latest = e.Series.LastObservedTime.Time
	}
	return latest
}
