package user

// The operator's rights for users. It may bind the chart's role for them; the
// chart's value rbac.bindableClusterRoles lets it bind others. It deletes no
// namespace.
//
// +kubebuilder:rbac:groups=devserver.io,resources=devserverusers,verbs=get;list;watch
// +kubebuilder:rbac:groups=devserver.io,resources=devserverusers/status,verbs=get;patch;update
// +kubebuilder:rbac:groups=devserver.io,resources=devserverusers/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=resourcequotas;limitranges,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,verbs=bind,resourceNames=devserver-user
