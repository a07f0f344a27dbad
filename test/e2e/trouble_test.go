package e2e

import (
	"testing"

	v1 "devserver.io/devserver/api/v1"
)

// TestMissingImage: the condition names the image that cannot be fetched, and
// another one in its place is enough.
func TestMissingImage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("box")
	// Nothing listens there: the node gets its answer at once.
	ds.Spec.Image = "localhost:1/no-such-image:1.0"
	s.create(ds)
	ds = s.notReady(ds, v1.PhaseFailed, v1.ReasonImagePullFailed, ds.Spec.Image)
	edit(s, ds, func(d *v1.DevServer) { d.Spec.Image = "" })
	s.running(ds).want("whoami", "dev")
}

// TestUnschedulable: the condition has the scheduler's own words.
func TestUnschedulable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	flavor := s.newFlavor(s.flavor+"-nowhere", func(f *v1.DevServerFlavorSpec) {
		f.NodeSelector = map[string]string{"example.com/no-such-label": "yes"}
	})
	ds := s.devServer("box")
	ds.Spec.Flavor = flavor.Name
	s.create(ds)
	s.notReady(ds, v1.PhasePending, v1.ReasonUnschedulable, "0/1 nodes are available", "didn't match Pod's node affinity/selector")
}

// TestTooLarge: likewise for a flavor that is larger than every node.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	flavor := s.newFlavor(s.flavor+"-huge", func(f *v1.DevServerFlavorSpec) {
		f.Resources.Requests = quantities("cpu", "4000", "memory", "64Mi")
	})
	ds := s.devServer("box")
	ds.Spec.Flavor = flavor.Name
	s.create(ds)
	s.notReady(ds, v1.PhasePending, v1.ReasonUnschedulable, "Insufficient cpu")
}
