package keep

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/explain"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/serverstate"
)

// Options say which DevServer to keep awake, and for how long.
type Options struct {
	Namespace, Name string
	Duration        time.Duration
	// End no longer keeps it awake.
	End bool
}

// Run writes to the DevServer's Lease, and reports until when it is kept awake.
func Run(ctx context.Context, c client.Client, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	object, err := cluster.Lease(ctx, c, ds)
	if err != nil {
		return err
	}
	if o.End {
		return end(ctx, c, ds, object, streams)
	}
	if object == nil {
		return exit.With(exit.Refused, fmt.Errorf("DevServer %s cannot be kept awake: %s", ds.Name, explain.NoLease(ds)))
	}
	now := time.Now()
	err = cluster.Edit(ctx, c, object, fmt.Sprintf("keeping DevServer %s in namespace %s awake", ds.Name, ds.Namespace), func(*coordinationv1.Lease) map[string]any {
		return lease.KeepAwake(now, o.Duration)
	})
	if err != nil {
		return err
	}
	_, err = output.Println(streams.Out, report(ds, now.Add(o.Duration), holds(ctx, c, ds, o.Duration, now)))
	return err
}

// end removes the time to keep the server awake from the Lease.
func end(ctx context.Context, c client.Client, ds *devserverv1.DevServer, object *coordinationv1.Lease, streams genericiooptions.IOStreams) error {
	sentence := fmt.Sprintf("DevServer %s is not being kept awake.", ds.Name)
	if object != nil {
		err := cluster.Edit(ctx, c, object, fmt.Sprintf("no longer keeping DevServer %s in namespace %s awake", ds.Name, ds.Namespace), func(live *coordinationv1.Lease) map[string]any {
			if live.Spec.AcquireTime == nil && live.Spec.LeaseDurationSeconds == nil {
				return nil
			}
			sentence = fmt.Sprintf("DevServer %s is no longer kept awake: its idle timeout and time to live apply again.", ds.Name)
			return lease.EndKeepAwake()
		})
		if err != nil {
			return err
		}
	}
	_, err := output.Println(streams.Out, sentence)
	return err
}

// holds is until when the server is kept awake: its flavor bounds that, if the user
// may read it.
func holds(ctx context.Context, c client.Reader, ds *devserverv1.DevServer, length time.Duration, from time.Time) time.Time {
	kept := lease.Lease{KeepAwakeFrom: from, KeepAwakeFor: length.Truncate(time.Second)}
	var started time.Time // that the time to live counts from
	if pod, err := cluster.Find(ctx, c, &corev1.Pod{}, ds.Namespace, objects.PodName(ds.Name)); err == nil && pod != nil {
		started = objects.StartedAt(pod)
	}
	return cluster.Policy(ctx, c, ds).KeptAwakeUntil(kept, started, from)
}

// report says until when the DevServer is kept awake, and whether that is less than
// what was asked for.
func report(ds *devserverv1.DevServer, asked, really time.Time) string {
	sentence := fmt.Sprintf("DevServer %s counts as active until %s.", ds.Name, really.Local().Format(explain.TimeLayout))
	if asked.Sub(really) >= time.Second {
		sentence += fmt.Sprintf(" Flavor %s allows no longer.", cluster.FlavorName(ds))
	}
	if serverstate.IsSuspended(ds) {
		sentence += fmt.Sprintf(" It is suspended now; to start it: devctl start %s -n %s", ds.Name, ds.Namespace)
	}
	return sentence
}
