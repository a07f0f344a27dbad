package extend

import (
	"cmp"
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
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/explain"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/serverstate"
)

// Options say which DevServer expires later, and by how much.
type Options struct {
	Namespace, Name string
	By              time.Duration
}

// Run makes the DevServer's time to live longer, and reports when it expires.
func Run(ctx context.Context, c client.Client, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	if ds.Status.ExpiresAt == nil || ds.Status.StartedAt == nil {
		return endless(ds, streams)
	}
	most := cluster.Policy(ctx, c, ds).MaxTimeToLive // 0 for any
	life := lifeOf(ds)
	if most > 0 && life >= most {
		return exit.With(exit.Refused, fmt.Errorf("DevServer %s expires at %s, and flavor %s allows no time to live above %s: devctl restart %s -n %s starts it anew",
			ds.Name, clock(ds.Status.StartedAt.Add(life)), cluster.FlavorName(ds), policy.Short(most), ds.Name, ds.Namespace))
	}
	var longer time.Duration
	err = cluster.Edit(ctx, c, ds, fmt.Sprintf("extending DevServer %s in namespace %s", ds.Name, ds.Namespace), func(ds *devserverv1.DevServer) map[string]any {
		longer = extended(ds, o.By, most)
		return map[string]any{"lifecycle": map[string]any{"timeToLive": metav1.Duration{Duration: longer}}}
	})
	if err != nil {
		return err
	}
	_, err = output.Println(streams.Out, report(ds, life, longer, longer-life < o.By))
	return err
}

// endless handles a server that does not expire, or whose time to live has not begun.
func endless(ds *devserverv1.DevServer, streams genericiooptions.IOStreams) error {
	switch {
	case serverstate.IsSuspended(ds) || ds.Spec.Suspend:
		return exit.With(exit.Refused, fmt.Errorf("DevServer %s is %s; its time to live begins anew when it starts: devctl start %s -n %s", ds.Name, strings.ToLower(string(cmp.Or(ds.Status.Phase, devserverv1.PhaseSuspended))), ds.Name, ds.Namespace))
	case ds.Status.Phase != devserverv1.PhaseRunning:
		return exit.With(exit.Refused, fmt.Errorf("DevServer %s is not running; its time to live begins when it is: devctl wait %s -n %s", ds.Name, ds.Name, ds.Namespace))
	}
	_, err := output.Printf(streams.Out, "DevServer %s has no time to live and does not expire.%s\n", ds.Name, idle(ds))
	return err
}

// lifeOf is the time from the start of the server to its expiry. It may be longer
// than the time to live, because devctl keep defers the expiry, and it takes an edit
// into account that the operator has not seen yet.
func lifeOf(ds *devserverv1.DevServer) time.Duration {
	life := ds.Status.ExpiresAt.Sub(ds.Status.StartedAt.Time)
	if ds.Status.ObservedGeneration < ds.Generation && ds.Spec.Lifecycle != nil && ds.Spec.Lifecycle.TimeToLive != nil {
		life = max(life, ds.Spec.Lifecycle.TimeToLive.Duration)
	}
	return life
}

// extended is the time to live made longer by a duration, up to most.
func extended(ds *devserverv1.DevServer, by, most time.Duration) time.Duration {
	longer := (lifeOf(ds) + by).Truncate(time.Second)
	if most > 0 {
		longer = min(longer, most)
	}
	return longer
}

// report says when the server expires, before and now.
func report(ds *devserverv1.DevServer, before, now time.Duration, bounded bool) string {
	started := ds.Status.StartedAt.Time
	sentence := fmt.Sprintf("DevServer %s expires at %s instead of %s: its time to live is %s, counted from each start.",
		ds.Name, clock(started.Add(now)), clock(started.Add(before)), policy.Short(now))
	if bounded {
		sentence += fmt.Sprintf(" Flavor %s allows no longer.", cluster.FlavorName(ds))
	}
	return sentence + idle(ds)
}

// idle adds that the idle timeout still applies.
func idle(ds *devserverv1.DevServer) string {
	if meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionActive) == nil {
		return ""
	}
	return fmt.Sprintf(" It is still suspended when idle; to keep it awake: devctl keep %s DURATION -n %s", ds.Name, ds.Namespace)
}

func clock(t time.Time) string { return t.Local().Format(explain.TimeLayout) }
