package stop

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/policy"
)

// Run suspends the DevServer and reports what that means.
func Run(ctx context.Context, c client.WithWatch, o wait.Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	grace, running := gracePeriod(ctx, c, ds), cluster.HasProcesses(ctx, c, ds)
	err = cluster.Edit(ctx, c, ds, fmt.Sprintf("stopping DevServer %s in namespace %s", ds.Name, ds.Namespace), suspend)
	if err != nil {
		return err
	}
	if _, err = output.Println(streams.Out, report(ds, grace, running)); err != nil || !o.Wait {
		return err
	}
	return wait.Stopped(ctx, c, o, streams)
}

func suspend(ds *devserverv1.DevServer) map[string]any {
	if ds.Spec.Suspend {
		return nil
	}
	return map[string]any{"suspend": true}
}

// gracePeriod is how long the processes may take to end. It is read from the pod,
// because edits of the DevServer and its flavor apply from the next start; 0 if the
// user may not read the pod or it does not exist.
func gracePeriod(ctx context.Context, c client.Reader, ds *devserverv1.DevServer) time.Duration {
	var pod corev1.Pod
	err := c.Get(ctx, client.ObjectKey{Namespace: ds.Namespace, Name: objects.PodName(ds.Name)}, &pod)
	if err != nil || pod.Spec.TerminationGracePeriodSeconds == nil {
		return 0
	}
	return time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second
}

// report says what changes, for the DevServer before the edit. Without
// processes there is nothing to end.
func report(ds *devserverv1.DevServer, grace time.Duration, running bool) string {
	starting := fmt.Sprintf("To start it again: devctl start %s -n %s", ds.Name, ds.Namespace)
	switch {
	case ds.Spec.Suspend:
		return fmt.Sprintf("DevServer %s is already suspended. %s", ds.Name, starting)
	case ds.Status.Phase == devserverv1.PhaseSuspended, ds.Status.Phase == devserverv1.PhaseExpired:
		return fmt.Sprintf("DevServer %s is already suspended; from now on, a connection or its schedule does not start it. %s", ds.Name, starting)
	case !running:
		return fmt.Sprintf("DevServer %s stops; none of its processes has started. %s", ds.Name, starting)
	}
	moment, home := "a moment", "Its home directory, keys and address stay; what was changed outside the home directory is lost."
	if grace > 0 {
		moment = policy.Short(grace)
	}
	if ds.Spec.Home != nil && ds.Spec.Home.Ephemeral {
		home = "Its keys and address stay; its ephemeral home directory is lost."
	}
	return fmt.Sprintf("DevServer %s stops: its processes get SIGTERM and have %s to end. %s %s", ds.Name, moment, home, starting)
}
