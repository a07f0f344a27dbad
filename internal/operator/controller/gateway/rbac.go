package gateway

// The operator's rights for the gateway, all of which it has for DevServers
// too. It writes one Secret, and reads no other but the admin's.
//
// +kubebuilder:rbac:groups="",resources=services;nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;patch
