package wait

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/objects"
)

// Gone waits until a deleted DevServer and its pod no longer exist: then the
// resources that they held are free.
func Gone(ctx context.Context, c client.WithWatch, uid types.UID, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	again := fmt.Sprintf("the deletion continues; to see what remains: kubectl get pod %s -n %s", objects.PodName(o.Name), o.Namespace)
	timedOut := fmt.Sprintf("DevServer %s still exists after %s: %s", o.Name, o.Timeout.Round(time.Second), again)
	interrupted := fmt.Sprintf("stopped waiting for the deletion of DevServer %s: %s", o.Name, again)
	// A user who may not read pods waits for the DevServer alone.
	pod := &corev1.Pod{}
	key := client.ObjectKey{Namespace: o.Namespace, Name: objects.PodName(o.Name)}
	canReadPod := c.Get(ctx, key, pod) == nil
	w := newWatcher(ctx, c, o.Namespace, o.Name)
	for {
		seen := w.observed()
		exists := seen.devServer != nil && seen.devServer.UID == uid || !seen.complete
		running := canReadPod && (seen.pod != nil && seen.pod.UID == pod.UID || !seen.podsComplete)
		if !exists && !running {
			return nil
		}
		if err := w.next(ctx, timedOut, interrupted); err != nil {
			return err
		}
	}
}
