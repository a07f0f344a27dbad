package wait

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/serverstate"
)

// Stopped waits until a DevServer that was suspended has no pod any more. It
// reports on ErrOut what delays that, such as a node that does not answer.
func Stopped(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	ds, err := cluster.Get(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	w, start, reported := newWatcher(ctx, c, o.Namespace, o.Name), time.Now(), ""
	for {
		seen := w.observed()
		if now := seen.devServer; now != nil && (now.UID != ds.UID || now.Generation >= ds.Generation) {
			ds = now
		} else if now == nil && seen.complete {
			return exit.With(exit.NotFound, fmt.Errorf("DevServer %s was deleted while it was stopping", o.Name))
		}
		if over, err := isStopped(ds); over {
			return err
		}
		if c := serverstate.Ready(ds); c != nil && serverstate.IsCurrent(ds) && serverstate.IsSuspended(ds) && c.Reason != devserverv1.ReasonSuspended && c.Message != reported {
			reported = c.Message
			fmt.Fprintf(streams.ErrOut, "%8s  waiting: %s: %s\n", seconds(time.Since(start)), c.Reason, c.Message)
		}
		select {
		case <-w.changed:
		case err := <-w.refused:
			return cluster.Explain(err, "watching DevServer "+o.Name)
		case <-ctx.Done():
			return stillStopping(ctx, o)
		}
	}
}

// isStopped tells whether the wait is over, and how.
func isStopped(ds *devserverv1.DevServer) (bool, error) {
	switch {
	case !ds.DeletionTimestamp.IsZero():
		return true, exit.With(exit.Refused, fmt.Errorf("DevServer %s is being deleted", ds.Name))
	case !ds.Spec.Suspend:
		return true, exit.With(exit.Refused, fmt.Errorf("DevServer %s was started again while it was stopping", ds.Name))
	}
	return serverstate.IsCurrent(ds) && ds.Status.Phase == devserverv1.PhaseSuspended, nil
}

func stillStopping(ctx context.Context, o Options) error {
	again := fmt.Sprintf("it continues to stop; to keep waiting: devctl stop %s -n %s --wait", o.Name, o.Namespace)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return exit.With(exit.TimedOut, fmt.Errorf("DevServer %s has not stopped after %s: %s", o.Name, o.Timeout, again))
	}
	return exit.With(exit.Interrupted, fmt.Errorf("stopped waiting for DevServer %s: %s", o.Name, again))
}
