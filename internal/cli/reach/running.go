package reach

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/confirm"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/start"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/serverstate"
)

// Running returns the server when it is running. It starts a suspended one, if the
// options or the user allow that, waits, and shows the progress on ErrOut.
func Running(ctx context.Context, c client.WithWatch, t Target, o Options, streams genericiooptions.IOStreams) (*devserverv1.DevServer, error) {
	ds, err := cluster.GetAlive(ctx, c, t.Namespace, t.Name)
	if err != nil {
		return nil, err
	}
	held := start.Held(ds)
	switch {
	case serverstate.IsRunning(ds):
		return ds, nil
	case len(held) > 0 && !o.Start:
		if err := o.consent(ctx, ds, strings.Join(held, " and "), streams); err != nil {
			return nil, err
		}
	}
	woken := len(held) > 0 || serverstate.IsSuspended(ds)
	if woken {
		undone, err := start.Undo(ctx, c, ds)
		if err != nil {
			return nil, err
		}
		if len(undone) > 0 {
			output.Println(streams.ErrOut, start.Again(ds, undone))
		}
	}
	return wait.Until(ctx, c, wait.Options{
		Namespace: t.Namespace, Name: t.Name, Timeout: o.Timeout, Live: o.Terminal, Woken: woken,
	}, streams)
}

// consent asks whether to start a server that its owner stopped, because it may
// take a GPU that others use. Without a terminal it refuses.
func (o Options) consent(ctx context.Context, ds *devserverv1.DevServer, held string, streams genericiooptions.IOStreams) error {
	if !o.Terminal {
		return exit.With(exit.Refused, fmt.Errorf("DevServer %s is %s: to start it: devctl start %s -n %s, or repeat the command with --start before the name",
			ds.Name, held, ds.Name, ds.Namespace))
	}
	return confirm.Ask(ctx, confirm.Question{
		Title: fmt.Sprintf("Start DevServer %s?", ds.Name),
		Means: []string{fmt.Sprintf("It is %s. When it starts, it takes its CPUs and GPUs again.", held)},
		Yes:   "Start it", Usual: true,
		Left: fmt.Sprintf("DevServer %s was not started: it is %s", ds.Name, held),
	}, streams)
}
