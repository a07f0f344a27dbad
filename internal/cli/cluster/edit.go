package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
)

// Edit patches the fields of the spec that change returns, on the condition that
// the object is unchanged since it was read. If it has changed, Edit reads it and
// calls change again, because the first result may be wrong for the new object. It
// refuses an object that was created anew with the same name. If change returns no
// fields, nothing is sent.
func Edit[O any, P interface {
	*O
	client.Object
}](ctx context.Context, c client.Client, object P, doing string, change func(P) map[string]any) error {
	uid, stale := object.GetUID(), false
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if stale {
			key := client.ObjectKeyFromObject(object)
			object = new(O) // Decoding into the old one would keep fields that are unset now.
			if err := c.Get(ctx, key, object); err != nil {
				return Explain(err, doing)
			}
		}
		if stale = true; object.GetUID() != uid {
			return exit.With(exit.NotFound, fmt.Errorf("%s: it was deleted and created again in the meantime: look at the new one, and repeat the command", doing))
		}
		fields := change(object)
		if len(fields) == 0 {
			return nil
		}
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"resourceVersion": object.GetResourceVersion()},
			"spec":     fields,
		})
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		// A copy, because the response would overwrite what the caller has read.
		err = c.Patch(ctx, object.DeepCopyObject().(P), client.RawPatch(types.MergePatchType, patch))
		if apierrors.IsConflict(err) {
			return err // as it is, for RetryOnConflict
		}
		return Explain(err, doing)
	})
	if apierrors.IsConflict(err) {
		return Explain(err, doing)
	}
	return err
}

// Lease reads a DevServer's Lease. It is nil if the DevServer has none. A Lease
// that another object controls does not count, as for the operator.
func Lease(ctx context.Context, c client.Reader, ds *devserverv1.DevServer) (*coordinationv1.Lease, error) {
	var lease coordinationv1.Lease
	err := c.Get(ctx, client.ObjectKey{Namespace: ds.Namespace, Name: objects.LeaseName(ds.Name)}, &lease)
	switch {
	case apierrors.IsNotFound(err), err == nil && !metav1.IsControlledBy(&lease, ds):
		return nil, nil
	case err != nil:
		return nil, Explain(err, fmt.Sprintf("reading the Lease of DevServer %s in namespace %s", ds.Name, ds.Namespace))
	}
	return &lease, nil
}

// Alive returns an error for a DevServer that is being deleted.
func Alive(ds *devserverv1.DevServer) error {
	if ds.DeletionTimestamp.IsZero() {
		return nil
	}
	return exit.With(exit.Refused, fmt.Errorf("DevServer %s is being deleted", ds.Name))
}

// GetAlive reads one DevServer and refuses one that is being deleted.
func GetAlive(ctx context.Context, c client.Reader, namespace, name string) (*devserverv1.DevServer, error) {
	ds, err := Get(ctx, c, namespace, name)
	if err == nil {
		err = Alive(ds)
	}
	if err != nil {
		return nil, err
	}
	return ds, nil
}

// RestartAt is a value of spec.restartedAt that restarts a DevServer: now, or a
// second after the value before if that is in the future, because only a later
// value has an effect.
func RestartAt(before *metav1.Time, now time.Time) metav1.Time {
	at := now.UTC().Truncate(time.Second)
	if before != nil && !at.After(before.Time) {
		at = before.UTC().Add(time.Second)
	}
	return metav1.NewTime(at)
}

// FlavorName is the name of the flavor of a DevServer: its own, or the default that
// the operator chose.
func FlavorName(ds *devserverv1.DevServer) string {
	return cmp.Or(ds.Spec.Flavor, ds.Status.Flavor)
}
