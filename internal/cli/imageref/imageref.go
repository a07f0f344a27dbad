// Package imageref checks references of container images as the kubelet does.
package imageref

import (
	"fmt"

	"github.com/distribution/reference"
)

// Check returns why the kubelet could not parse an image reference, or nil. The
// image itself is not looked up.
func Check(image string) error {
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return fmt.Errorf("%q is not an image reference such as registry.example.com/team/image:tag: %w", image, err)
	}
	return nil
}
