package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// tally has the counts of a client's calls, by category.
type tally struct {
	writes, reads    callCount
	watches          callCount // lists and watches of whole kinds, which fill caches
	leases, events   callCount
	written          time.Time // when the last StatefulSet was applied
	writing, reading int       // the number of writes and reads
}

// tallied counts calls by category. Calls for Leases and events are counted separately,
// because a DevServer does not need them to become Running. So are lists and watches of
// all namespaces, which happen once for each kind.
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
			t.reading++
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

// note lists the calls with their average number for each of n servers.
func (c callCount) note(n int) string {
	var parts []string
	for what, times := range c {
		parts = append(parts, fmt.Sprintf("%s %.3g", what, float64(times)/float64(n)))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// sum returns the number of all calls.
func (c callCount) sum() int {
	sum := 0
	for _, times := range c {
		sum += times
	}
	return sum
}
