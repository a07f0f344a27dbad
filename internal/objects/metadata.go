package objects

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
	// applied before it. The operator does not read Secrets, so it compares this.
	AnnotationSecretHash = "devserver.io/secret-hash"
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
