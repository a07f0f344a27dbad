package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"devserver.io/devserver/test/bench/plane"
)

// one adds a result with a single value.
func (s *scale) one(name, unit string, value, goal float64, note string) {
	s.r.add(result{Target: "scale", Name: name, Unit: unit, Values: []float64{value}, Goal: goal, Note: note})
}

// apart adds the number of calls that are not part of the measurement.
func (s *scale) apart(name string, kinds ...callCount) {
	sum, notes := 0, []string{}
	for _, calls := range kinds {
		if len(calls) > 0 {
			sum, notes = sum+calls.sum(), append(notes, calls.note(1))
		}
	}
	s.one(name+", in total", "", float64(sum), 0, strings.Join(notes, ", "))
}

// calls counts what the operator called since the last count.
func (s *scale) calls() (tally, error) {
	s.audit.all = nil
	err := s.audit.read()
	return tallied(s.audit.all), err
}

// usage returns the resource usage of all processes so far, by name.
func (s *scale) usage() (map[string]plane.Usage, error) {
	usage, err := s.plane.Usage()
	if err != nil {
		return nil, err
	}
	processes := map[string]int{"stand-in": s.standIn.PID(), "bench": os.Getpid()}
	if s.operator != nil {
		processes["operator"] = s.operator.PID()
	}
	for name, pid := range processes {
		if usage[name], err = plane.UsageOf(pid); err != nil {
			return nil, err
		}
	}
	return usage, nil
}

// create creates all servers and waits until they are Running.
func (s *scale) create(ctx context.Context, w *crowd) error {
	if _, err := s.calls(); err != nil {
		return err
	}
	before, err := s.usage()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := w.run(ctx, s.operator.Ended); err != nil {
		return err
	}
	if err := s.operator.until(ctx, s.operator.settled(len(w.servers))); err != nil {
		return err
	}
	passes, err := s.operator.queue(ctx)
	if err != nil {
		return err
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	did, err := s.calls()
	if err != nil {
		return err
	}
	n := len(w.servers)
	each, all := w.times()
	s.one("all are Running", "s", all, scaled(60, n), fmt.Sprintf("%.1f servers/s", float64(n)/all))
	s.one("all have their objects", "s", did.written.Sub(begin).Seconds(), 0, "")
	s.r.add(result{Target: "scale", Name: "each, created to Running", Unit: "s", Values: each})
	cpu, sys := after["operator"].CPU-before["operator"].CPU, after["operator"].Sys-before["operator"].Sys
	s.one("operator's CPU time", "s", cpu, 0, fmt.Sprintf("%.1f s of it in the kernel; %.2f ms and %.1f passes for each server", sys, 1000*cpu/float64(n), passes.passes/float64(n)))
	const apiServer = "kube-apiserver" // A ratio depends less on the speed of the machine.
	s.one("operator's CPU time per second of kube-apiserver's", "s", cpu/(after[apiServer].CPU-before[apiServer].CPU), 0.15, "")
	s.one("operator's peak resident memory", "MiB", after["operator"].Peak, upTo1000(160, n), fmt.Sprintf("%.1f MiB before the first server", before["operator"].RSS))
	s.one("operator's writing calls per server", "", float64(did.writing)/float64(n), 6, did.writes.note(n))
	s.one("operator's reading calls per server", "", float64(did.reading)/float64(n), 0, did.reads.note(n))
	s.apart("operator's other calls", did.leases, did.events, did.watches)
	s.one("CPU time of the others", "s", others(before, after), 0, othersNote(before, after))
	return nil
}

// scaled returns a goal for n servers, given the goal for 1,000 servers.
func scaled(goal float64, n int) float64 { return goal * float64(n) / 1000 }

// upTo1000 returns a goal that applies to at most 1,000 servers, and 0, which means none, for
// more.
func upTo1000(goal float64, n int) float64 {
	if n > 1000 {
		return 0
	}
	return goal
}

func others(before, after map[string]plane.Usage) float64 {
	sum := 0.0
	for name := range after {
		if name != "operator" {
			sum += after[name].CPU - before[name].CPU
		}
	}
	return sum
}

func othersNote(before, after map[string]plane.Usage) string {
	var parts []string
	for name := range after {
		if name != "operator" {
			parts = append(parts, fmt.Sprintf("%s %.1f s", name, after[name].CPU-before[name].CPU))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// settling is longer than the operator takes to count the last of n servers in the status of
// their flavor. That write must not count as one of an idle operator.
func settling(n int) time.Duration {
	return 2*time.Second + max(5*time.Second, time.Duration(n)*5*time.Millisecond)
}

// wait waits for a duration.
func wait(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-over.C:
		return nil
	}
}

// leaveAlone measures the operator while it has nothing to do.
func (s *scale) leaveAlone(ctx context.Context, w *crowd) error {
	if err := wait(ctx, settling(len(w.servers))); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "scale: idle for %s\n", s.o.idle)
	before, err := s.usage()
	if err != nil {
		return err
	}
	if _, err := s.calls(); err != nil {
		return err
	}
	if err := wait(ctx, s.o.idle); err != nil {
		return err
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	did, err := s.calls()
	if err != nil {
		return err
	}
	s.r.add(result{Target: "scale", Name: "idle: writes", Values: []float64{float64(did.writing)}, Zero: true, Note: strings.Trim("in "+s.o.idle.String()+"; "+did.writes.note(1), "; ")})
	s.apart("idle: other calls", did.leases, did.events, did.reads)
	s.one("idle: operator's CPU time", "s", after["operator"].CPU-before["operator"].CPU, 0, "")
	s.one("idle: operator's resident memory", "MiB", after["operator"].RSS, 0, "")
	return nil
}

// restart stops the operator as an update of its Deployment does, and starts
// it again.
func (s *scale) restart(ctx context.Context, w *crowd) error {
	fmt.Fprintln(os.Stderr, "scale: restart")
	begin := time.Now()
	if err := s.operator.Stop(); err != nil {
		return err
	}
	stopped := time.Now()
	if _, err := s.calls(); err != nil {
		return err
	}
	var err error
	if s.operator, err = startOperator(s.plane, s.chart, s.kubeconfig); err != nil {
		return err
	}
	if err := s.operator.until(ctx, s.operator.ready); err != nil {
		return err
	}
	ready := time.Now()
	if err := s.operator.until(ctx, s.operator.settled(len(w.servers))); err != nil {
		return err
	}
	settled := time.Now()
	usage, err := plane.UsageOf(s.operator.PID())
	if err != nil {
		return err
	}
	did, err := s.calls()
	if err != nil {
		return err
	}
	n := len(w.servers)
	s.one("restart: the former process ended", "s", stopped.Sub(begin).Seconds(), 0, "")
	s.one("restart: /readyz of the new process", "s", ready.Sub(stopped).Seconds(), 5, "from its start")
	s.one("restart: all servers reconciled", "s", settled.Sub(stopped).Seconds(), upTo1000(5, n), "from its start")
	s.r.add(result{Target: "scale", Name: "restart: writes", Values: []float64{float64(did.writing)}, Zero: true, Note: did.writes.note(1)})
	s.apart("restart: other calls", did.leases, did.events, did.reads, did.watches)
	s.one("restart: operator's CPU time", "s", usage.CPU, 0, "")
	s.one("restart: operator's peak resident memory", "MiB", usage.Peak, upTo1000(160, n), "")
	return nil
}
