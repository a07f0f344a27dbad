package gateway

// What the operator may do for the gateway, all of which it may for DevServers
// too. Of the Secrets it writes one, and reads no other but the admin's.
//
// +kubebuilder:rbac:groups="",resources=services;nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;patch
