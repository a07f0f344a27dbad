package apply

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// ownership decides which live objects may be written.
type ownership struct {
	// includes tells whether the object belongs to the owner.
	includes func(live metav1.Object) bool
	// leaving tells whether an object that does not is being deleted anyway.
	leaving func(live metav1.Object) bool
}

// controlled is the ownership of the objects whose controller is owner. The objects
// of a deleted owner of the same kind and name are being deleted too.
func controlled(owner client.Object, scheme *runtime.Scheme) (ownership, error) {
	gvk, err := apiutil.GVKForObject(owner, scheme)
	if err != nil {
		return ownership{}, fmt.Errorf("finding the kind of %T %s: %w", owner, owner.GetName(), err)
	}
	return ownership{
		includes: func(live metav1.Object) bool { return metav1.IsControlledBy(live, owner) },
		leaving: func(live metav1.Object) bool {
			controller := metav1.GetControllerOf(live)
			return controller != nil && controller.Kind == gvk.Kind && controller.Name == owner.GetName()
		},
	}, nil
}

// annotated is the ownership of the objects that have the annotation with the value.
func annotated(annotation, value string) ownership {
	return ownership{
		includes: func(live metav1.Object) bool { return live.GetAnnotations()[annotation] == value },
		leaving:  func(live metav1.Object) bool { return !live.GetDeletionTimestamp().IsZero() },
	}
}

func (b ownership) conflict(t *target, live metav1.Object) error {
	return &ConflictError{Kind: t.gvk.Kind, Namespace: t.namespace, Name: t.name, Leaving: b.leaving(live)}
}
