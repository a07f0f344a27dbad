package flavor

// The operator's permissions in the whole cluster for the status of flavors. It may read
// only one CustomResourceDefinition, that of Karpenter's NodePools.
//
// +kubebuilder:rbac:groups=devserver.io,resources=devservers;devserverflavors,verbs=get;list;watch
// +kubebuilder:rbac:groups=devserver.io,resources=devserverflavors/status,verbs=get;patch;update
// +kubebuilder:rbac:groups="",resources=pods;nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=node.k8s.io,resources=runtimeclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=karpenter.sh,resources=nodepools,verbs=get;list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=nodepools.karpenter.sh,verbs=get;list;watch
