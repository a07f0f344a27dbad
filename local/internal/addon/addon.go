// Package addon has the objects that a cluster needs and Kubernetes does not create
// itself: cluster DNS, StorageClasses, and the permissions of the node's parts.
package addon

import (
	_ "embed"
	"os"

	"devserver.io/devserver/local/internal/network"
)

//go:embed manifests.yaml
var manifests string

// Manifests returns the objects for a cluster with these addresses.
func Manifests(p network.Plan) []byte {
	return []byte(os.Expand(manifests, func(name string) string {
		switch name {
		case "DNS":
			return p.DNS().String()
		case "NODE":
			return p.Node.String()
		}
		return ""
	}))
}
