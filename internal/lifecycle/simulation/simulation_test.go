package simulation

import (
	"flag"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	seed  = flag.Uint64("seed", 1, "what the simulation begins with")
	seeds = flag.Int("seeds", 1, "how many seeds are simulated, from that one on")
	boxes = flag.Int("boxes", 60, "how many boxes of each seed")
	first = flag.Int("first", 0, "the number of the first box: with -boxes 1, that one is seen again alone")
	days  = flag.Int("days", 14, "how many days of each")
	idle  = flag.Duration("idle", 0, "the idle timeout of all of them, which have nothing else then; 0 is any lifecycle")
)

func TestReproducible(t *testing.T) {
	a, b := Run(Options{Seed: 7, Boxes: 2, Days: 7}), Run(Options{Seed: 7, Boxes: 2, Days: 7})
	if diff := cmp.Diff(a, b, cmpopts.IgnoreUnexported(Report{})); diff != "" {
		t.Errorf("the second run is another:\n%s", diff)
	}
}

// What goes wrong is told with the number of its box and the seed, by which it
// can be seen again.
func TestLives(t *testing.T) {
	report := Run(Options{Seed: *seed, Seeds: *seeds, Boxes: *boxes, First: *first, Days: *days, IdleTimeout: *idle})
	text := &strings.Builder{}
	report.Print(text)
	t.Log("\n" + text.String())
	if len(report.Faults) > 0 {
		t.Errorf("%d faults", report.Counts["faults"])
	}
}
