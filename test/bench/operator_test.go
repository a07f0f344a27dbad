package main

import (
	"strings"
	"testing"
)

// Metrics of other controllers are ignored. Values of one controller that differ only in a
// label are added up.
func TestQueueFromMetrics(t *testing.T) {
	q, err := parseQueue(strings.NewReader(`# HELP controller_runtime_reconcile_total Total number of reconciliations per controller
# TYPE controller_runtime_reconcile_total counter
controller_runtime_reconcile_total{controller="devserver",result="error"} 1
controller_runtime_reconcile_total{controller="devserver",result="success"} 2.001e+03
controller_runtime_reconcile_total{controller="other",result="success"} 50
controller_runtime_max_concurrent_reconciles{controller="devserver"} 16
controller_runtime_active_workers{controller="devserver"} 3
workqueue_depth{controller="devserver",name="devserver",priority="-100"} 4
workqueue_depth{controller="devserver",name="devserver",priority="0"} 5
workqueue_depth{controller="other",name="other",priority="0"} 7
go_goroutines 12
`))
	if want := (queue{workers: 16, passes: 2002, waiting: 9, active: 3}); err != nil || q != want {
		t.Errorf("got %+v, %v; want %+v", q, err, want)
	}
}
