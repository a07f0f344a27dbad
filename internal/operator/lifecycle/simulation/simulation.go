// Package simulation plays the lives of boxes and of their users, with all that
// goes wrong in a cluster, against the decisions of package lifecycle. It knows
// the truth, which the operator does not, and says where the two must not
// differ.
//
// What is simulated: users, pods, agents, the operator's passes over a box and
// its polls, API objects, and clocks. What is real: policy.Resolve and
// Decide, the marks, and what poll makes of an answer.
package simulation

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"
)

// Options say what is simulated. The same options give the same report.
type Options struct {
	// Seed is where randomness begins, and Seeds how many of them are simulated,
	// one after the other; 0 is one.
	Seed  uint64
	Seeds int
	// Boxes is how many boxes each seed has, each with its user, and Days how long
	// each is watched. First is the number of the first: with one box, this is to
	// see that one again alone.
	Boxes, Days, First int
	// IdleTimeout gives all boxes this and nothing else; 0 gives each a lifecycle
	// by chance.
	IdleTimeout time.Duration
}

// Report is what came of it.
type Report struct {
	Options
	// Counts are how often things happened, by name.
	Counts map[string]int
	// Existed is how long the boxes existed: what they would have been held if
	// nothing ever stopped them. Held is how long they had a pod, Worked how
	// long of that they were at work.
	Existed, Held, Worked time.Duration
	// FixedHeld is how long the same users would have held boxes that are
	// stopped 8 hours after each start, and FixedKilled the work that this would
	// have cut off.
	FixedHeld, FixedKilled time.Duration
	// Latest is by how much the stop of an idle box was late, at worst, where
	// nothing excused it.
	Latest time.Duration
	// Faults are what must not happen, one a sentence.
	Faults []string
	kinds  map[string]int
}

// Run simulates.
func Run(o Options) *Report {
	r := &Report{Options: o, Counts: map[string]int{}, kinds: map[string]int{}}
	for seed := o.Seed; seed < o.Seed+uint64(max(1, o.Seeds)); seed++ {
		for box := o.First; box < o.First+o.Boxes; box++ {
			// Each box has randomness of its own, so that it can be replayed alone.
			rng := rand.New(rand.NewPCG(seed, uint64(box))) //nolint:gosec // reproducible
			newWorld(r, fmt.Sprintf("seed %d, box %d", seed, box), rng).run()
		}
	}
	return r
}

// faultsKept bounds the report of a simulation that goes all wrong: so many of
// each kind.
const faultsKept = 3

func (r *Report) fault(kind, text string) {
	r.Counts["faults"]++
	if r.kinds[kind]++; r.kinds[kind] <= faultsKept {
		r.Faults = append(r.Faults, text)
	}
}

// Print writes the report for people.
func (r *Report) Print(out io.Writer) {
	n := r.Boxes * max(1, r.Seeds)
	fmt.Fprintf(out, "seed %d", r.Seed)
	if r.Seeds > 1 {
		fmt.Fprintf(out, " and the %d after it", r.Seeds-1)
	}
	fmt.Fprintf(out, ": %d boxes, %d user-days\n", n, n*r.Days)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	hours := func(name string, d time.Duration) {
		fmt.Fprintf(table, "%s\t%.0f h\t%.1f %%\t\n", name, d.Hours(), 100*d.Hours()/r.Existed.Hours())
	}
	hours("never suspending: held", r.Existed)
	hours("this: held", r.Held)
	hours("this: at work", r.Worked)
	hours("this: returned", r.Existed-r.Held)
	hours("fixed 8 h: held", r.FixedHeld)
	hours("fixed 8 h: work cut off", r.FixedKilled)
	_ = table.Flush()
	for _, name := range counted {
		fmt.Fprintf(out, "%s: %d\n", name, r.Counts[name])
	}
	fmt.Fprintf(out, "an idle box stopped late by at most: %s\n", r.Latest.Round(time.Millisecond))
	for _, fault := range r.Faults {
		fmt.Fprintln(out, "FAULT:", fault)
	}
	for _, kind := range slices.Sorted(maps.Keys(r.kinds)) {
		fmt.Fprintf(out, "%d faults: %s\n", r.kinds[kind], kind)
	}
}

// counted are the counts that are printed, in this order.
var counted = []string{
	"decisions", "polls", "polls without answer", "suspensions: Idle", "suspensions: Scheduled", "suspensions: Expired", "suspensions: Suspended",
	"drains refused", "marks refused", "marks lapsed", "wakes", "containers hindered", "hindered boxes suspended", "operator crashes", "agent crashes", "clock jumps",
	"warnings told", "stops that were warned of", "deletions", "faults",
}
