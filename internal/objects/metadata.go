package objects

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	// applied before it, and whose keys a running agent has. The operator does not read
	// Secrets, so it compares this.
	AnnotationSecretHash = "devserver.io/secret-hash"
	// AnnotationTemplateHash on a pod, and on the template that it was made from, is a
	// hash of what takes effect only at a start. A pod whose hash differs from that of
	// the template has to be restarted to become current.
	AnnotationTemplateHash = "devserver.io/template-hash"
	// AnnotationAgentImage on a pod, and on the template that it was made from, is the
	// image of its agent, as the operator was configured. An update of the agent in the
	// running pod changes it once the new agent answers.
	AnnotationAgentImage = "devserver.io/agent-image"
	// AnnotationAgentUpdate on a pod describes an update of its agent that is under way
	// or has failed, in JSON.
	AnnotationAgentUpdate = "devserver.io/agent-update"
	// AnnotationNodePort on the SSH Service is the port that it asked for when
	// it was made again, so that every later pass asks for the same one.
	AnnotationNodePort = "devserver.io/node-port"
)

// Labels of the objects of a DevServer.
func Labels(devServer string) map[string]string {
	labels := Selector(devServer)
	labels[LabelManagedBy] = ManagedBy
	return labels
}

// Selector selects the pod of a DevServer. It never changes: a StatefulSet's selector is immutable.
func Selector(devServer string) map[string]string {
	return map[string]string{LabelName: Name, LabelInstance: devServer}
}

// ControlledBy makes owner, a DevServer or DevServerUser, an object's controller, so that
// the object is deleted with it.
func ControlledBy(kind string, owner metav1.Object) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(devv1.GroupVersion.String()).
		WithKind(kind).
		WithName(owner.GetName()).
		WithUID(owner.GetUID()).
		WithController(true).
		WithBlockOwnerDeletion(true)
}
