package devserver

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// patch sends the given fields of an object, and no others: Leases and pods have
// several writers. It fails if the object was replaced by another of the same
// name.
func (r *Reconciler) patch(ctx context.Context, object client.Object, fields map[string]any) error {
	return r.patchAs(ctx, types.MergePatchType, object, fields)
}

// patchAs is patch with another way of merging: a strategic merge patch changes one
// container of a list.
func (r *Reconciler) patchAs(ctx context.Context, kind types.PatchType, object client.Object, fields map[string]any) error {
	metadata, ok := fields["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		fields["metadata"] = metadata
	}
	metadata["uid"] = object.GetUID()
	text, err := json.Marshal(fields)
	if err == nil {
		err = r.Client.Patch(ctx, object, client.RawPatch(kind, text), apply.FieldOwner)
	}
	return written(err, "patching %T %s/%s", object, object.GetNamespace(), object.GetName())
}

// protect asks autoscalers to leave the pod on its node while the server is
// active, or may be, and not while it is idle.
func (r *Reconciler) protect(ctx context.Context, pod *corev1.Pod, run lifecycle.Decision) error {
	if pod == nil || !pod.DeletionTimestamp.IsZero() || !run.Run || (run.TracksActivity && run.Activity == nil) {
		return nil
	}
	want := desired.AutoscalerAnnotations(run.Activity == nil || run.Activity.State != lifecycle.Idle)
	for name, value := range want {
		if pod.Annotations[name] != value {
			return client.IgnoreNotFound(r.patch(ctx, pod.DeepCopy(), map[string]any{"metadata": map[string]any{"annotations": want}}))
		}
	}
	return nil
}

// written is the error of a write, with what was being done: errStale if the object
// has changed since it was read.
func written(err error, format string, args ...any) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), errStale)
	default:
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
	}
}
