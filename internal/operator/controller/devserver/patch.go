package devserver

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// patch sends the fields of an object that are meant, and no others: Leases and
// pods have several writers. It fails where the object was replaced by another
// of the same name.
func (r *Reconciler) patch(ctx context.Context, object client.Object, fields map[string]any) error {
	metadata, ok := fields["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		fields["metadata"] = metadata
	}
	metadata["uid"] = object.GetUID()
	text, err := json.Marshal(fields)
	if err == nil {
		err = r.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, text), apply.FieldOwner)
	}
	if err != nil {
		return fmt.Errorf("patching %T %s/%s: %w", object, object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

// shield has autoscalers leave the pod where it is while the box is at work, or
// may be, and not while it is idle.
func (r *Reconciler) shield(ctx context.Context, pod *corev1.Pod, decision lifecycle.Decision) error {
	if pod == nil || !pod.DeletionTimestamp.IsZero() || !decision.Run || decision.Watched && decision.Work == nil {
		return nil
	}
	want := desired.Shield(decision.Work == nil || decision.Work.State != lifecycle.Idle)
	for name, value := range want {
		if pod.Annotations[name] != value {
			return client.IgnoreNotFound(r.patch(ctx, pod.DeepCopy(), map[string]any{"metadata": map[string]any{"annotations": want}}))
		}
	}
	return nil
}
