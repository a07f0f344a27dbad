package wait

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/objects"
)

// Gone waits until a DevServer that was deleted, and its pod, are not there any
// more: then what they held is free.
func Gone(ctx context.Context, c client.WithWatch, uid types.UID, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	// Who may not see pods waits for the DevServer alone.
	pod := &corev1.Pod{}
	key := client.ObjectKey{Namespace: o.Namespace, Name: objects.PodName(o.Name)}
	seesPod := c.Get(ctx, key, pod) == nil
	w := newWatcher(ctx, c, o.Namespace, o.Name)
	for {
		seen := w.observed()
		there := seen.devServer != nil && seen.devServer.UID == uid || !seen.complete
		runs := seesPod && (seen.pod != nil && seen.pod.UID == pod.UID || !seen.podsComplete)
		if !there && !runs {
			return nil
		}
		select {
		case <-w.changed:
		case err := <-w.refused:
			return cluster.Explain(err, "watching DevServer "+o.Name)
		case <-ctx.Done():
			return stillThere(ctx, o)
		}
	}
}

func stillThere(ctx context.Context, o Options) error {
	again := fmt.Sprintf("it goes on by itself; to look at it: kubectl get pod %s -n %s", objects.PodName(o.Name), o.Namespace)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return exit.With(exit.TimedOut, fmt.Errorf("DevServer %s is not gone after %s: %s", o.Name, o.Timeout.Round(time.Second), again))
	}
	return exit.With(exit.Interrupted, fmt.Errorf("stopped waiting for the end of DevServer %s: %s", o.Name, again))
}
