package desired

import (
	"maps"

	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

func ownerAnnotation(d *devv1.DevServer) map[string]string {
	return map[string]string{objects.AnnotationOwner: d.Spec.Owner}
}

// controlledBy makes the DevServer the object's controller, so that the object
// is deleted with it.
func controlledBy(d *devv1.DevServer) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(devv1.GroupVersion.String()).
		WithKind("DevServer").
		WithName(d.Name).
		WithUID(d.UID).
		WithController(true).
		WithBlockOwnerDeletion(true)
}

// with returns base and extra in a new map; on the same key, base wins.
func with(base, extra map[string]string) map[string]string {
	merged := maps.Clone(extra)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, base)
	return merged
}
