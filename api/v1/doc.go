// Package v1 is the API of DevServer: SSH development servers on Kubernetes.
//
// The comments on these types are the user manual. They become the
// descriptions of the CRDs (kubectl explain) and the API reference in docs/.
//
// +kubebuilder:object:generate=true
// +groupName=devserver.io
package v1
