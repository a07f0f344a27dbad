package desired

import (
	"maps"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

func ownerAnnotation(d *devv1.DevServer) map[string]string {
	return map[string]string{objects.AnnotationOwner: d.Spec.Owner}
}

// with returns base and extra in a new map; on the same key, base wins.
func with(base, extra map[string]string) map[string]string {
	merged := maps.Clone(extra)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, base)
	return merged
}
