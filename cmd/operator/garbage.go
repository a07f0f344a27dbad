package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// leastMemory is what the operator may take in any case, beside its program:
	// what it needs for a thousand boxes. As long as it takes less, to collect
	// garbage often would be work for nothing.
	leastMemory = 54 << 20
	// apart is what is no heap: stacks, and what Go itself takes.
	apart = 10 << 20
	// base is what is in use with a thousand boxes.
	base = 20 << 20
	// seldom is the garbage, in per cent of what is in use, at which it is
	// collected although there is memory left.
	seldom = 400
)

// collectSeldom has garbage collected when the memory is used up that the
// operator may take: leastMemory, or, where more is in use than a thousand boxes
// need, twice as much for the rest, so that a box costs as much time among ten
// thousand. Where the environment has limits of its own, these hold.
func collectSeldom() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(seldom)
	debug.SetMemoryLimit(leastMemory)
	afterEachCollection(func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetMemoryLimit(limitFor(int64(live[0].Value.Uint64())))
	})
}

// limitFor is what the operator may take while so much of its heap is in use.
func limitFor(live int64) int64 { return max(leastMemory, apart+live+max(live-base, 0)) }

// afterEachCollection calls do some time after each collection. The limit that
// holds until then is too low rather than too high, since caches grow.
func afterEachCollection(do func()) {
	// With a pointer in it, it shares no memory with others that live on.
	type sentinel struct{ _ *int }
	runtime.AddCleanup(&sentinel{}, func(do func()) {
		do()
		afterEachCollection(do)
	}, do)
}
