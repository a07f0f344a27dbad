package simulation

import (
	"flag"
	"strings"
	"testing"
)

var (
	seed  = flag.Uint64("seed", 1, "what the simulation begins with")
	boxes = flag.Int("boxes", 100, "how many boxes are simulated")
	days  = flag.Int("days", 14, "how many days of each")
)

// What goes wrong is told with the number of its box and the seed, by which it
// can be seen again.
func TestLives(t *testing.T) {
	report := Run(Options{Seed: *seed, Boxes: *boxes, Days: *days})
	text := &strings.Builder{}
	report.Print(text)
	t.Log("\n" + text.String())
	if len(report.Faults) > 0 {
		t.Errorf("%d faults", report.Counts["faults"])
	}
}
