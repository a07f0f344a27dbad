package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	devv1 "devserver.io/devserver/api/v1"
)

// Services is what spec.ssh.service of DevServers may contain. The operator creates
// these Services with rights that users do not have, and other controllers act on their
// type and annotations: they request load balancers, DNS names and addresses. The chart's
// value policies.sshService sets it, for the operator and for an admission policy. The
// zero value allows nothing.
type Services struct {
	// Types are the types that are allowed.
	Types []devv1.SSHServiceType
	// Annotations are the keys of annotations that are allowed, with any value.
	Annotations []string
}

// DefaultServiceTypes are the types that nothing outside of the cluster acts on. They are
// also the default of the chart's value.
func DefaultServiceTypes() []devv1.SSHServiceType {
	return []devv1.SSHServiceType{devv1.SSHServiceNodePort, devv1.SSHServiceClusterIP, devv1.SSHServiceNone}
}

// Refused says why a Service is not allowed; empty if it is. The admission policy in the
// chart has the same messages.
func (s Services) Refused(service devv1.SSHServiceSpec) string {
	kind := cmp.Or(service.Type, devv1.SSHServiceNodePort)
	if !slices.Contains(s.Types, kind) {
		return fmt.Sprintf("spec.ssh.service.type must be %s in this cluster, not %s. Change it, or ask an admin to allow it.", alternatives(s.Types, "or"), kind)
	}
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(service.Annotations)), func(key string) bool {
		return slices.Contains(s.Annotations, key)
	})
	if len(keys) > 0 {
		return fmt.Sprintf("spec.ssh.service.annotations must not contain %s in this cluster, which allows %s. Remove it, or ask an admin to allow it.",
			strings.Join(keys, ", "), cmp.Or(alternatives(s.Annotations, "and"), "none"))
	}
	return ""
}

// alternatives is a list as in a sentence: "a, b or c".
func alternatives[T ~string](list []T, conjunction string) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}
