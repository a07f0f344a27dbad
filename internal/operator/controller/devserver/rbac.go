package devserver

// What the operator may do in the whole cluster. Secrets can be written and
// read by name, never listed; no pods/exec, no wildcards.
//
// +kubebuilder:rbac:groups=devserver.io,resources=devservers;devserverflavors;devserverusers,verbs=get;list;watch
// +kubebuilder:rbac:groups=devserver.io,resources=devservers,verbs=delete
// +kubebuilder:rbac:groups=devserver.io,resources=devservers/status,verbs=get;patch;update
// +kubebuilder:rbac:groups=devserver.io,resources=devservers/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=resourcequotas;limitranges,verbs=get;list;watch
// +kubebuilder:rbac:groups=snapshot.storage.k8s.io,resources=volumesnapshots,verbs=get
// +kubebuilder:rbac:groups="",resources=events,verbs=list
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
//
// In its own namespace it elects a leader, records the leader in an event, and creates
// pods that pull the agent's image on a node.
//
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,namespace=devserver-system,verbs=update
// +kubebuilder:rbac:groups="",resources=events,namespace=devserver-system,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=pods,namespace=devserver-system,verbs=create
