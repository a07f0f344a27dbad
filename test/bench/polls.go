package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "devserver.io/devserver/api/v1"
)

// watched is an idle timeout with which the operator polls agents once a minute.
const watched = 2 * time.Hour

// pollFor is the minimum duration of the measurement, in which each agent is polled twice.
const pollFor = 2 * time.Minute

// lifecycle returns the lifecycle of the servers' flavor, or nil.
func (s *scale) lifecycle() *v1.LifecycleSpec {
	if !s.o.agents {
		return nil
	}
	return &v1.LifecycleSpec{IdleTimeout: &metav1.Duration{Duration: watched}}
}

// polls measures the cost of polling the agents of all servers, which are active, once a
// minute.
func (s *scale) polls(ctx context.Context, w *crowd) error {
	n, span := len(w.servers), max(s.o.idle, pollFor)
	fmt.Fprintf(os.Stderr, "scale: %d agents are polled for %s\n", n, span)
	// The first report of each agent is written to the status and the Lease.
	if err := s.operator.until(ctx, func(ctx context.Context) (bool, error) { return s.allActive(ctx, n) }); err != nil {
		return err
	}
	if err := s.operator.until(ctx, s.operator.settled(n)); err != nil {
		return err
	}
	before, err := s.usage()
	if err != nil {
		return err
	}
	if _, err := s.calls(); err != nil {
		return err
	}
	if err := wait(ctx, span); err != nil {
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
	minutes := span.Minutes()
	cpu := (after["operator"].CPU - before["operator"].CPU) / minutes
	s.one("polls: operator's CPU time per minute", "s", cpu, 0, fmt.Sprintf("%.2f ms for each server, and %.1f %% of one core", 1000*cpu/float64(n), 100*cpu/60))
	s.one("polls: operator's resident memory", "MiB", after["operator"].RSS, 0, "")
	s.one("polls: CPU time of the agents per minute", "s", (after["stand-in"].CPU-before["stand-in"].CPU)/minutes, 0, "all of them in one process")
	s.apart("polls: operator's calls", did.leases, did.events, did.reads, did.writes)
	return nil
}

// allActive reports whether every server is active, which means that its agent has answered.
func (s *scale) allActive(ctx context.Context, n int) (bool, error) {
	list := &v1.DevServerList{}
	if err := s.c.List(ctx, list); err != nil {
		return false, fmt.Errorf("list the servers: %w", err)
	}
	active := 0
	for i := range list.Items {
		if meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1.ConditionActive) {
			active++
		}
	}
	return active == n, wait(ctx, time.Second)
}
