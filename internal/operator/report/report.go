// Package report writes a status if it changed, and an event if the status
// names a new cause.
package report

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	devv1 "devserver.io/devserver/api/v1"
)

// Status makes want, with all strings made printable, the status of object, of which
// current is a part, and tells whether that changed anything. All statuses are written
// here. An object that was deleted requires no status.
func Status[S any](ctx context.Context, c client.Client, object client.Object, current *S, want S) (written bool, err error) {
	want = Printable(want)
	if equality.Semantic.DeepEqual(*current, want) {
		return false, nil
	}
	*current = want
	// The resourceVersion makes it fail where the object was edited, deleted or
	// made anew since it was read. A patch would cost both sides more. The answer
	// is decoded into a copy: decoding it into object would also overwrite what
	// want shares with other objects.
	answer := object.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy
	err = c.Status().Update(ctx, answer)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("writing the status of %s: %w", title(c, object), err)
	default:
		object.SetResourceVersion(answer.GetResourceVersion())
		return true, nil
	}
}

// title names an object in messages.
func title(c client.Client, object client.Object) string {
	name := strings.TrimPrefix(client.ObjectKeyFromObject(object).String(), "/")
	gvk, err := apiutil.GVKForObject(object, c.Scheme())
	if err != nil {
		return name
	}
	return gvk.Kind + " " + name
}

// Cause records once why the object is not ready: when the reason of its
// condition Ready changes, and is not one of the quiet ones, which require no
// action.
func Cause(recorder events.EventRecorder, object client.Object, before, after []metav1.Condition, quiet ...string) {
	was := meta.FindStatusCondition(before, devv1.ConditionReady)
	is := meta.FindStatusCondition(after, devv1.ConditionReady)
	if is == nil || was != nil && was.Reason == is.Reason || slices.Contains(quiet, is.Reason) {
		return
	}
	recorder.Eventf(object, nil, corev1.EventTypeWarning, is.Reason, "Reconcile", "%s", is.Message)
}
