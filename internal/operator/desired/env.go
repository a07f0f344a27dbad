package desired

import (
	"strings"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	devv1 "devserver.io/devserver/api/v1"
)

// env is the flavor's environment, overridden by the DevServer's own.
func env(in Input) []*corev1ac.EnvVarApplyConfiguration {
	own := map[string]bool{}
	for _, e := range in.DevServer.Spec.Env {
		own[e.Name] = true
	}
	var list []*corev1ac.EnvVarApplyConfiguration
	for _, e := range in.Flavor.Spec.Env {
		if !own[e.Name] {
			list = append(list, variable(e))
		}
	}
	for _, e := range in.DevServer.Spec.Env {
		list = append(list, variable(e))
	}
	return list
}

// variable keeps the value as it is: Kubernetes would expand "$(NAME)" and
// read "$$" as an escaped "$".
func variable(e devv1.EnvVar) *corev1ac.EnvVarApplyConfiguration {
	ac := corev1ac.EnvVar().WithName(e.Name)
	if e.Value != "" {
		ac.WithValue(strings.ReplaceAll(e.Value, "$", "$$"))
	}
	return ac
}
