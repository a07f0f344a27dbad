package debian

import (
	"slices"
	"testing"
)

func TestMissing(t *testing.T) {
	const listing = "gcc installed\nnftables config-files\nnftables-extra installed\n"
	got := missing([]string{"gcc", "nftables", "mmdebstrap"}, listing)
	if want := []string{"nftables", "mmdebstrap"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: removed and unknown packages are missing", got, want)
	}
}
