package capacity

import (
	"cmp"

	devv1 "devserver.io/devserver/api/v1"
)

// Default returns the flavor of servers that name none: the oldest of those
// that claim to be it, or nil.
func Default(flavors []devv1.DevServerFlavor) *devv1.DevServerFlavor {
	var oldest *devv1.DevServerFlavor
	for i := range flavors {
		if f := &flavors[i]; f.Spec.Default && (oldest == nil || older(f, oldest)) {
			oldest = f
		}
	}
	return oldest
}

func older(a, b *devv1.DevServerFlavor) bool {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}
