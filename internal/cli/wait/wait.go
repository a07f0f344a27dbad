package wait

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/serverstate"
)

// Options say what to wait for, and how.
type Options struct {
	Namespace, Name string
	Timeout         time.Duration
	// Wait is --wait of a command that does something else first.
	Wait bool
	// Live redraws the stages on a terminal; else each one is a line.
	Live bool
	// Woken is set for a server that was just woken: a status from before that
	// says that it is suspended does not end the wait.
	Woken bool
	// Replaced is the status.startedAt from before a restart. The wait is for
	// another pod than that one.
	Replaced *metav1.Time
	// GiveUpOn are reasons that end the wait although they can resolve themselves,
	// because that depends on other people.
	GiveUpOn []string
}

// Run waits until the user can log in to the DevServer, shows the progress on
// ErrOut, and prints on Out how to log in: for a person devctl ssh, and for a
// script the plain ssh command.
func Run(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	ds, err := Until(ctx, c, o, streams)
	if err != nil {
		return err
	}
	if output.IsTerminal(streams.Out) {
		_, err = output.Printf(streams.Out, "Log in: devctl ssh %s -n %s\n", ds.Name, ds.Namespace)
		return err
	}
	if ssh := ds.Status.SSH; ssh != nil && ssh.Command != "" {
		_, err = output.Println(streams.Out, ssh.Command)
	}
	return err
}

// Until waits until the user can log in to the DevServer, shows the progress on
// ErrOut, and returns the DevServer as it is then.
func Until(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) (*devserverv1.DevServer, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	w := &waiter{Options: o, progress: newProgress(time.Now())}
	first, err := cluster.Get(ctx, c, o.Namespace, o.Name)
	if ctx.Err() != nil {
		timedOut, interrupted := w.endings()
		return nil, ended(ctx, timedOut, interrupted)
	}
	if err != nil {
		return nil, err
	}
	w.watcher, w.seen.devServer = newWatcher(ctx, c, o.Namespace, o.Name), first
	if o.Live {
		err = w.live(ctx, streams)
	} else {
		err = w.plain(ctx, streams.ErrOut)
	}
	return w.seen.devServer, err
}

// waiter waits for one DevServer.
type waiter struct {
	Options
	*watcher
	progress *progress
	seen     observed
}

// look records the current state. The wait ends when over is true, with or
// without an error.
func (w *waiter) look(now time.Time) (passed []stage, over bool, err error) {
	last := w.seen.devServer
	w.seen = w.observed()
	var exists bool
	if w.seen.devServer, exists = w.seen.newest(last); !exists {
		return nil, true, exit.With(exit.NotFound, fmt.Errorf("DevServer %s was deleted while it was starting", w.Name))
	}
	w.seen = w.sinceRestarted(w.seen)
	w.seen.devServer = w.sinceWoken(w.seen.devServer)
	passed = w.progress.update(w.seen, now)
	switch cause, isStuck := serverstate.Stuck(w.seen.devServer); {
	case serverstate.IsRunning(w.seen.devServer) && w.seen.devServer.DeletionTimestamp.IsZero():
		return passed, true, nil
	case isStuck || w.givesUp():
		return passed, true, exit.With(exit.Refused, fmt.Errorf("DevServer %s does not start: %s", w.Name, cause))
	}
	return passed, false, nil
}

// sinceRestarted is o without the pod that is being replaced. While that pod still
// answers, the status of the DevServer is Running.
func (w *waiter) sinceRestarted(o observed) observed {
	if w.Replaced == nil {
		return o
	}
	if o.pod != nil && o.pod.Status.StartTime.Equal(w.Replaced) {
		o.pod = nil
	}
	if ds := o.devServer; ds.Status.Phase == devserverv1.PhaseRunning && ds.Status.StartedAt.Equal(w.Replaced) {
		o.devServer = ds.DeepCopy()
		o.devServer.Status = devserverv1.DevServerStatus{}
	}
	return o
}

// givesUp tells whether the reason is one of GiveUpOn.
func (w *waiter) givesUp() bool {
	c := serverstate.Ready(w.seen.devServer)
	return c != nil && serverstate.IsCurrent(w.seen.devServer) && slices.Contains(w.GiveUpOn, c.Reason)
}

// sinceWoken is ds without its status from before it was woken: renewing a Lease
// does not change the DevServer's generation, so observedGeneration does not tell
// whether the operator has seen it.
func (w *waiter) sinceWoken(ds *devserverv1.DevServer) *devserverv1.DevServer {
	c := serverstate.Ready(ds)
	if !w.Woken || c == nil || !serverstate.IsCurrent(ds) {
		return ds
	}
	if !serverstate.IsSuspended(ds) || c.Reason == devserverv1.ReasonSuspended || c.Reason == devserverv1.ReasonExpired {
		w.Woken = serverstate.IsSuspended(ds)
		return ds
	}
	ds = ds.DeepCopy()
	ds.Status = devserverv1.DevServerStatus{}
	return ds
}

// endings are the errors at a timeout and at Ctrl-C.
func (w *waiter) endings() (timedOut, interrupted string) {
	at := ""
	if s, ok := w.progress.current(); ok {
		at = fmt.Sprintf(" at the stage %q", s.name)
		if s.detail != "" {
			at += " (" + strings.TrimSuffix(s.detail, ".") + ")"
		}
	}
	again := fmt.Sprintf("continues to start; to keep waiting: devctl wait %s -n %s", w.Name, w.Namespace)
	return fmt.Sprintf("DevServer %s is not running after %s, still%s: it %s", w.Name, w.Timeout, at, again),
		fmt.Sprintf("stopped waiting%s; DevServer %s %s", at, w.Name, again)
}

// next waits for a change. It returns an error if the wait has to end.
func (w *waiter) next(ctx context.Context) error {
	timedOut, interrupted := w.endings()
	return w.watcher.next(ctx, timedOut, interrupted)
}

// plain prints one line for each stage that is passed and for each cause that
// prevents one from passing.
func (w *waiter) plain(ctx context.Context, out io.Writer) error {
	reported := ""
	for {
		passed, over, err := w.look(time.Now())
		for _, s := range passed {
			_, _ = output.Println(out, strings.TrimRight(fmt.Sprintf("%8s  %-13s  %s", w.progress.when(s), s.name, s.detail), " "))
		}
		if over {
			return err
		}
		if s, ok := w.progress.current(); ok && s.state == stuck && s.detail != reported {
			reported = s.detail
			_, _ = output.Printf(out, "%8s  %-13s  waiting: %s\n", seconds(time.Since(w.progress.start)), s.name, s.detail)
		}
		if err := w.next(ctx); err != nil {
			return err
		}
	}
}
