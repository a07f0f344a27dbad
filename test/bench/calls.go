package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// tally is what somebody called, in kinds.
type tally struct {
	writes, reads   callCount
	watches         callCount // lists and watches of whole kinds, which fill caches
	leases, events  callCount
	written         time.Time // when the last StatefulSet was applied
	writing, asking int       // how many writes and reads there are
}

// tallied sorts calls into kinds. Leases of leader election and events are no
// part of a DevServer's way to Running and are counted apart; so are the
// lists and watches of all namespaces, of which there is one for each kind.
func tallied(calls []auditEvent) tally {
	t := tally{writes: callCount{}, reads: callCount{}, watches: callCount{}, leases: callCount{}, events: callCount{}}
	for _, e := range calls {
		what, reads := e.what(), e.Verb == "get" || e.Verb == "list"
		switch {
		case e.ObjectRef.Resource == "leases":
			t.leases[what]++
		case e.ObjectRef.Resource == "events" && !reads:
			t.events[what]++
		case e.Verb == "watch" || (e.Verb == "list" && e.ObjectRef.Namespace == ""):
			t.watches[what]++
		case reads:
			t.reads[what]++
			t.asking++
		default:
			t.writes[what]++
			t.writing++
			if e.ObjectRef.Resource == "statefulsets" && e.At.After(t.written) {
				t.written = e.At
			}
		}
	}
	return t
}

// note says which calls there were, and how many of each for one of n servers.
func (c callCount) note(n int) string {
	var parts []string
	for what, times := range c {
		parts = append(parts, fmt.Sprintf("%s %.3g", what, float64(times)/float64(n)))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// sum is how many calls there were.
func (c callCount) sum() int {
	sum := 0
	for _, times := range c {
		sum += times
	}
	return sum
}
