package capacity

import (
	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/precedence"
)

// Default returns the flavor of servers that name none: the oldest of those
// with spec.default, or nil.
func Default(flavors []devv1.DevServerFlavor) *devv1.DevServerFlavor {
	return precedence.Oldest(flavors, func(f *devv1.DevServerFlavor) bool { return f.Spec.Default })
}
