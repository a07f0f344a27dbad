package wait

import (
	"context"
	"fmt"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/serverstate"
)

// Stopped waits until a DevServer that was suspended has no pod any more. It
// reports on ErrOut what delays that, such as a node that does not answer.
func Stopped(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	again := fmt.Sprintf("it continues to stop; to keep waiting: devctl stop %s -n %s --wait", o.Name, o.Namespace)
	timedOut := fmt.Sprintf("DevServer %s has not stopped after %s: %s", o.Name, o.Timeout, again)
	interrupted := fmt.Sprintf("stopped waiting for DevServer %s: %s", o.Name, again)
	start, reported := time.Now(), ""
	return follow(ctx, c, o, "it was stopping", timedOut, interrupted, func(ds *devserverv1.DevServer) (bool, error) {
		switch c := serverstate.Ready(ds); {
		case !ds.DeletionTimestamp.IsZero():
			return true, cluster.Alive(ds)
		case !ds.Spec.Suspend:
			return true, exit.With(exit.Refused, fmt.Errorf("DevServer %s was started again while it was stopping", ds.Name))
		case !serverstate.IsCurrent(ds):
			return false, nil
		case ds.Status.Phase != devserverv1.PhaseSuspended && c != nil && serverstate.IsSuspended(ds) && c.Reason != devserverv1.ReasonSuspended && c.Message != reported:
			reported = c.Message
			output.Printf(streams.ErrOut, "%8s  waiting: %s: %s\n", seconds(time.Since(start)), c.Reason, c.Message)
		}
		return ds.Status.Phase == devserverv1.PhaseSuspended, nil
	})
}
