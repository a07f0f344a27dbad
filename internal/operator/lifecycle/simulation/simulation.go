// Package simulation runs servers and their users for weeks of simulated time, with
// all that fails in a cluster, and checks what the operator does to the servers. It
// knows whether a server is really active, which the operator does not.
//
// Simulated are users, pods, agents, the operator's passes and polls, API objects and
// clocks. Real are packages policy, lifecycle, transition and lease, and how agentclient
// interprets an agent's answers.
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
	// Seed is the first random seed, and Seeds how many are simulated, one after the
	// other; 0 stands for one.
	Seed  uint64
	Seeds int
	// Servers is the number of servers of each seed, each with its user, and Days how
	// long each is simulated. First is the index of the first one, so that one server
	// can be simulated again alone.
	Servers, Days, First int
	// IdleTimeout is the only limit of all servers; 0 gives each a random lifecycle.
	IdleTimeout time.Duration
}

// Report is the result of a simulation.
type Report struct {
	Options
	// Counts are how often things happened, by name.
	Counts map[string]int
	// Existed is how long the servers existed, and so how long they would have run if
	// nothing ever suspended them. Held is how long they had a pod, and Active how long
	// of that they were active.
	Existed, Held, Active time.Duration
	// FixedHeld is how long the servers would have had a pod if each were stopped 8
	// hours after its start, and FixedKilled the activity that this would have cut off.
	FixedHeld, FixedKilled time.Duration
	// Latest is the longest time by which the stop of an idle server was late without
	// an excuse.
	Latest time.Duration
	// Faults are the things that must not happen, but did, one sentence each.
	Faults []string
	kinds  map[string]int
}

// Run simulates.
func Run(o Options) *Report {
	r := &Report{Options: o, Counts: map[string]int{}, kinds: map[string]int{}}
	for seed := o.Seed; seed < o.Seed+uint64(max(1, o.Seeds)); seed++ {
		for server := o.First; server < o.First+o.Servers; server++ {
			// Each server has its own random numbers, so that it can be simulated alone.
			rng := rand.New(rand.NewPCG(seed, uint64(server))) //nolint:gosec // reproducible
			newWorld(r, fmt.Sprintf("seed %d, server %d", seed, server), rng).run()
		}
	}
	return r
}

// faultsKept is how many faults of each kind are reported in full.
const faultsKept = 3

func (r *Report) fault(kind, text string) {
	r.Counts["faults"]++
	if r.kinds[kind]++; r.kinds[kind] <= faultsKept {
		r.Faults = append(r.Faults, text)
	}
}

// Print writes the report for people.
func (r *Report) Print(out io.Writer) {
	n := r.Servers * max(1, r.Seeds)
	fmt.Fprintf(out, "seed %d", r.Seed)
	if r.Seeds > 1 {
		fmt.Fprintf(out, " and the %d after it", r.Seeds-1)
	}
	fmt.Fprintf(out, ": %d servers, %d user-days\n", n, n*r.Days)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	hours := func(name string, d time.Duration) {
		fmt.Fprintf(table, "%s\t%.0f h\t%.1f %%\t\n", name, d.Hours(), 100*d.Hours()/r.Existed.Hours())
	}
	hours("never suspending: held", r.Existed)
	hours("this: held", r.Held)
	hours("this: active", r.Active)
	hours("this: returned", r.Existed-r.Held)
	hours("fixed 8 h: held", r.FixedHeld)
	hours("fixed 8 h: activity cut off", r.FixedKilled)
	_ = table.Flush()
	for _, name := range counted {
		fmt.Fprintf(out, "%s: %d\n", name, r.Counts[name])
	}
	fmt.Fprintf(out, "an idle server was suspended late by at most: %s\n", r.Latest.Round(time.Millisecond))
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
	"drains refused", "suspensions refused", "suspensions lapsed", "wakes", "start failures", "suspensions after a start failure", "operator crashes", "agent crashes", "clock jumps",
	"warnings shown", "stops after all their warnings", "deletions", "faults",
}
