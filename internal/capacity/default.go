package capacity

import (
	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/seniority"
)

// Default returns the flavor of servers that name none: the oldest of those
// that claim to be it, or nil.
func Default(flavors []devv1.DevServerFlavor) *devv1.DevServerFlavor {
	return seniority.Oldest(seniority.Each(flavors), func(f *devv1.DevServerFlavor) bool { return f.Spec.Default })
}
