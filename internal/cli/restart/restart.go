package restart

import (
	"context"
	"fmt"
	"strings"
	"time"

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

// Run restarts the DevServer, reports what that does, and waits for it.
func Run(ctx context.Context, c client.WithWatch, o wait.Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	if ds.Spec.Suspend {
		return exit.With(exit.Refused, fmt.Errorf("DevServer %s is suspended, so it cannot be restarted: to start it: devctl start %s -n %s", ds.Name, ds.Name, ds.Namespace))
	}
	o.Replaced = ds.Status.StartedAt
	err = cluster.Edit(ctx, c, ds, fmt.Sprintf("restarting DevServer %s in namespace %s", ds.Name, ds.Namespace), func(ds *devserverv1.DevServer) map[string]any {
		return map[string]any{"restartedAt": cluster.RestartAt(ds.Spec.RestartedAt, time.Now())}
	})
	if err != nil {
		return err
	}
	if o.Wait {
		// Out has only the ssh command, for scripts.
		output.Println(streams.ErrOut, report(ds))
		o.Woken = true
		return wait.Run(ctx, c, o, streams)
	}
	_, err = output.Printf(streams.Out, "%s To wait for it: devctl wait %s -n %s\n", report(ds), ds.Name, ds.Namespace)
	return err
}

// report describes the restart of a DevServer, which is the one before it.
func report(ds *devserverv1.DevServer) string {
	if serverstate.IsSuspended(ds) {
		return fmt.Sprintf("DevServer %s is starting: it was suspended.", ds.Name)
	}
	sentence := fmt.Sprintf("DevServer %s is restarting: its processes end, its home directory stays.", ds.Name)
	if ds.Spec.Home != nil && ds.Spec.Home.Ephemeral {
		sentence = fmt.Sprintf("DevServer %s is restarting: its processes end, and its home directory, which is ephemeral, is emptied.", ds.Name)
	}
	if pending := meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionRestartPending); pending != nil && pending.Status == metav1.ConditionTrue {
		sentence += " Changes that take effect: " + strings.TrimSuffix(pending.Message, ".") + "."
	}
	return sentence
}
