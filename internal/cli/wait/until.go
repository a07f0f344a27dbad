package wait

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/serverstate"
)

// ForStatus waits until done accepts the status of the DevServer, as the operator
// reports it for the spec that the DevServer has now. An error of done ends the
// wait too. purpose completes "waiting for" in the error at a timeout.
func ForStatus(ctx context.Context, c client.WithWatch, o Options, purpose string, done func(*devserverv1.DevServer) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	ds, err := cluster.Get(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	w := newWatcher(ctx, c, o.Namespace, o.Name)
	for {
		seen := w.observed()
		if now := seen.devServer; now != nil && (now.UID != ds.UID || now.Generation >= ds.Generation) {
			ds = now
		} else if now == nil && seen.complete {
			return exit.With(exit.NotFound, fmt.Errorf("DevServer %s was deleted while waiting for %s", o.Name, purpose))
		}
		if serverstate.IsCurrent(ds) && ds.Status.Phase != "" {
			if over, err := done(ds); over || err != nil {
				return err
			}
		}
		select {
		case <-w.changed:
		case err := <-w.refused:
			return cluster.Explain(err, "watching DevServer "+o.Name)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return exit.With(exit.TimedOut, fmt.Errorf("waiting for %s of DevServer %s: not done after %s; to see its state: devctl why %s -n %s", purpose, o.Name, o.Timeout, o.Name, o.Namespace))
			}
			return exit.With(exit.Interrupted, fmt.Errorf("stopped waiting for %s of DevServer %s; it continues", purpose, o.Name))
		}
	}
}
