package apply

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// belonging tells whose a live object is.
type belonging struct {
	// mine is what makes an object one that may be written.
	mine func(live metav1.Object) bool
	// leaving tells of an object that is not, whether it goes by itself.
	leaving func(live metav1.Object) bool
}

// controlled are the objects whose controller is owner. Those of an owner of
// the same kind and name that was deleted before are being deleted too.
func controlled(owner client.Object, scheme *runtime.Scheme) (belonging, error) {
	gvk, err := apiutil.GVKForObject(owner, scheme)
	if err != nil {
		return belonging{}, fmt.Errorf("finding the kind of %T %s: %w", owner, owner.GetName(), err)
	}
	return belonging{
		mine: func(live metav1.Object) bool { return metav1.IsControlledBy(live, owner) },
		leaving: func(live metav1.Object) bool {
			controller := metav1.GetControllerOf(live)
			return controller != nil && controller.Kind == gvk.Kind && controller.Name == owner.GetName()
		},
	}, nil
}

// marked are the objects that have the annotation with the value.
func marked(annotation, value string) belonging {
	return belonging{
		mine:    func(live metav1.Object) bool { return live.GetAnnotations()[annotation] == value },
		leaving: func(live metav1.Object) bool { return !live.GetDeletionTimestamp().IsZero() },
	}
}

func (b belonging) conflict(t *target, live metav1.Object) error {
	return &ConflictError{Kind: t.gvk.Kind, Namespace: t.namespace, Name: t.name, Leaving: b.leaving(live)}
}
