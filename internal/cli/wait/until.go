package wait

import (
	"context"
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
	timedOut := fmt.Sprintf("waiting for %s of DevServer %s: not done after %s; to see its state: devctl why %s -n %s", purpose, o.Name, o.Timeout, o.Name, o.Namespace)
	interrupted := fmt.Sprintf("stopped waiting for %s of DevServer %s; it continues", purpose, o.Name)
	return follow(ctx, c, o, "waiting for "+purpose, timedOut, interrupted, func(ds *devserverv1.DevServer) (bool, error) {
		if !serverstate.IsCurrent(ds) || ds.Status.Phase == "" {
			return false, nil
		}
		return done(ds)
	})
}

// follow calls done with the DevServer, and again after each change, until done
// ends the wait. The other errors say timedOut, interrupted, or that the DevServer
// was deleted while doing.
func follow(ctx context.Context, c client.WithWatch, o Options, doing, timedOut, interrupted string, done func(*devserverv1.DevServer) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	ds, err := cluster.Get(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	w := newWatcher(ctx, c, o.Namespace, o.Name)
	for {
		var exists bool
		if ds, exists = w.observed().newest(ds); !exists {
			return exit.With(exit.NotFound, fmt.Errorf("DevServer %s was deleted while %s", o.Name, doing))
		}
		if over, err := done(ds); over || err != nil {
			return err
		}
		if err := w.next(ctx, timedOut, interrupted); err != nil {
			return err
		}
	}
}
