package start

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/serverstate"
)

// Run starts the DevServer, reports why it was suspended, and waits for it.
func Run(ctx context.Context, c client.WithWatch, o wait.Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	causes, err := Undo(ctx, c, ds)
	if err != nil {
		return err
	}
	if o.Wait {
		// Out has only how to log in.
		if len(causes) > 0 {
			output.Println(streams.ErrOut, Again(ds, causes))
		}
		o.Woken = true
		return wait.Run(ctx, c, o, streams)
	}
	sentence, err := report(ds, causes)
	if err != nil {
		return err
	}
	_, err = output.Println(streams.Out, sentence)
	return err
}

// Held returns why the DevServer is suspended, or about to be, if only its owner can
// start it again. Being idle is not such a cause: connecting resumes the server.
func Held(ds *devserverv1.DevServer) (causes []string) {
	_, causes = restart(ds, time.Now())
	return causes
}

// Undo makes the edits that start the DevServer, and returns why it was suspended.
// The Lease comes first: after spec.suspend was cleared, it alone would decide, and
// keep the server suspended for a moment.
func Undo(ctx context.Context, c client.Client, ds *devserverv1.DevServer) (causes []string, err error) {
	doing := fmt.Sprintf("starting DevServer %s in namespace %s", ds.Name, ds.Namespace)
	lease, err := cluster.Lease(ctx, c, ds)
	if err != nil && exit.Code(err) == exit.Refused && !serverstate.WakesOnConnect(ds) {
		err = nil // A user who may not read Leases can still start it.
	}
	if err != nil {
		return nil, err
	}
	var woken, started []string
	if lease != nil {
		err = cluster.Edit(ctx, c, lease, doing, func(lease *coordinationv1.Lease) (fields map[string]any) {
			fields, woken = wake(lease, ds, time.Now())
			return fields
		})
	}
	if err == nil {
		err = cluster.Edit(ctx, c, ds, doing, func(ds *devserverv1.DevServer) (fields map[string]any) {
			fields, started = restart(ds, time.Now())
			return fields
		})
	}
	return append(started, woken...), err
}

// report says what changed.
func report(ds *devserverv1.DevServer, causes []string) (string, error) {
	waiting := fmt.Sprintf("To wait for it: devctl wait %s -n %s", ds.Name, ds.Namespace)
	if len(causes) > 0 {
		return Again(ds, causes) + " " + obstacle(ds) + waiting, nil
	}
	if serverstate.IsRunning(ds) {
		return fmt.Sprintf("DevServer %s is already running.", ds.Name), nil
	}
	if cause, stuck := serverstate.Stuck(ds); stuck && !serverstate.WakesOnConnect(ds) {
		return "", exit.With(exit.Refused, fmt.Errorf("DevServer %s does not start: %s", ds.Name, cause))
	}
	return fmt.Sprintf("DevServer %s is already starting. %s%s", ds.Name, obstacle(ds), waiting), nil
}

// Again says that the DevServer starts, and why it was suspended.
func Again(ds *devserverv1.DevServer, causes []string) string {
	return fmt.Sprintf("DevServer %s starts again: it was %s.", ds.Name, strings.Join(causes, " and "))
}

// obstacle says what else prevents the DevServer from starting.
func obstacle(ds *devserverv1.DevServer) string {
	if ds.Status.ObservedGeneration < ds.Generation {
		return ""
	}
	for _, condition := range []string{devserverv1.ConditionAccepted, devserverv1.ConditionReady} {
		c := meta.FindStatusCondition(ds.Status.Conditions, condition)
		if c != nil && c.Status == metav1.ConditionFalse && !serverstate.IsProgressing(c.Reason) && !slices.Contains(suspended, c.Reason) {
			return fmt.Sprintf("It cannot start yet (%s): %s. ", c.Reason, strings.TrimSuffix(c.Message, "."))
		}
	}
	return ""
}

// suspended are the reasons of a suspended or expired DevServer.
var suspended = []string{devserverv1.ReasonSuspended, devserverv1.ReasonExpired, devserverv1.ReasonIdle, devserverv1.ReasonScheduled}
