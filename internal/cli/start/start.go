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
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/serverstate"
)

// Options say what to start, and whether and how to wait for it.
type Options struct {
	wait.Options
	Wait bool
}

// Run undoes all that the DevServer sleeps for, says so, and waits for it.
func Run(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	undone, err := Undo(ctx, c, ds)
	if err != nil {
		return err
	}
	if o.Wait {
		// What is for scripts, on Out, is the ssh command alone.
		if len(undone) > 0 {
			fmt.Fprintln(streams.ErrOut, Again(ds, undone))
		}
		o.Woken = true
		return wait.Run(ctx, c, o.Options, streams)
	}
	sentence, err := report(ds, undone)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(streams.Out, sentence)
	return err
}

// Held says what the DevServer sleeps for, or is about to, that only its owner
// can undo. One that sleeps for want of work alone is held by nothing.
func Held(ds *devserverv1.DevServer) (causes []string) {
	_, causes = restart(ds, time.Now())
	return causes
}

// Undo makes the edits that it takes, and returns what the DevServer slept for.
// The Lease comes first: without the owner's wish in the way, it alone would
// decide for a moment.
func Undo(ctx context.Context, c client.Client, ds *devserverv1.DevServer) (undone []string, err error) {
	doing := fmt.Sprintf("starting DevServer %s in namespace %s", ds.Name, ds.Namespace)
	lease, err := cluster.Lease(ctx, c, ds)
	if err != nil && exit.Code(err) == exit.Refused && !serverstate.WakesOnConnect(ds) {
		err = nil // Who may not see Leases may still resume what is theirs.
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

// report says what came of it.
func report(ds *devserverv1.DevServer, undone []string) (string, error) {
	waiting := fmt.Sprintf("To wait for it: devctl wait %s -n %s", ds.Name, ds.Namespace)
	if len(undone) > 0 {
		return Again(ds, undone) + " " + hindrance(ds) + waiting, nil
	}
	if serverstate.IsRunning(ds) {
		return fmt.Sprintf("DevServer %s runs already.", ds.Name), nil
	}
	if cause, is := serverstate.Stuck(ds); is && !serverstate.WakesOnConnect(ds) {
		return "", exit.With(exit.Refused, fmt.Errorf("DevServer %s does not start: %s", ds.Name, cause))
	}
	return fmt.Sprintf("DevServer %s is asked to run already. %s%s", ds.Name, hindrance(ds), waiting), nil
}

// Again says that the DevServer starts, and what it slept for.
func Again(ds *devserverv1.DevServer, undone []string) string {
	return fmt.Sprintf("DevServer %s starts again: it was %s.", ds.Name, strings.Join(undone, " and "))
}

// hindrance is what else keeps the DevServer from starting.
func hindrance(ds *devserverv1.DevServer) string {
	if ds.Status.ObservedGeneration < ds.Generation {
		return ""
	}
	for _, condition := range []string{devserverv1.ConditionAccepted, devserverv1.ConditionReady} {
		c := meta.FindStatusCondition(ds.Status.Conditions, condition)
		if c != nil && c.Status == metav1.ConditionFalse && !serverstate.IsProgressing(c.Reason) && !slices.Contains(sleeps, c.Reason) {
			return fmt.Sprintf("In its way is %s: %s. ", c.Reason, strings.TrimSuffix(c.Message, "."))
		}
	}
	return ""
}

// sleeps are the reasons of a DevServer that sleeps.
var sleeps = []string{devserverv1.ReasonSuspended, devserverv1.ReasonExpired, devserverv1.ReasonIdle, devserverv1.ReasonScheduled}
