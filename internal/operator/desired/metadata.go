package desired

import (
	"maps"

	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
)

// Labels and annotations of every object of a DevServer.
const (
	// LabelManagedBy and ManagedBy select what the operator watches.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "devserver-operator"
	// LabelName is the same for all DevServers.
	LabelName = "app.kubernetes.io/name"
	Name      = "devserver"
	// LabelInstance is the DevServer's name.
	LabelInstance = "app.kubernetes.io/instance"
	// AnnotationOwner is the DevServer's owner. On a home's claim it says whose
	// files are in it. (An e-mail address cannot be a label's value.)
	AnnotationOwner = "devserver.io/owner"
	// AnnotationSecretHash on the StatefulSet is the hash of the Secret that was
	// applied before it. Secrets are read by nobody, so it stands in for one.
	AnnotationSecretHash = "devserver.io/secret-hash"
	// AnnotationNodePort on the SSH Service is the port that it asked for when
	// it was made again, so that every later pass asks for the same one.
	AnnotationNodePort = "devserver.io/node-port"
)

// Labels of the objects of a DevServer.
func Labels(devServer string) map[string]string {
	labels := selector(devServer)
	labels[LabelManagedBy] = ManagedBy
	return labels
}

// selector never changes: a StatefulSet's selector is immutable.
func selector(devServer string) map[string]string {
	return map[string]string{LabelName: Name, LabelInstance: devServer}
}

func ownerAnnotation(d *devv1.DevServer) map[string]string {
	return map[string]string{AnnotationOwner: d.Spec.Owner}
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
