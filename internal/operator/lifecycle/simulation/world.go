package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/policy"
)

// world is one server with its user, its part of the cluster, and the truth.
type world struct {
	report *Report
	name   string
	rng    *rand.Rand
	// now is the true time. opClock, userClock and gateClock are the errors of the
	// clocks of the operator, the user and the gateway.
	now, began, end               time.Time
	opClock, userClock, gateClock time.Duration
	queue                         []event // in the order in which they happen
	troubles                      troubles

	// The API objects.
	server    devv1.DevServer
	flavor    devv1.DevServerFlavor
	policy    policy.Policy
	edited    time.Time // when the policy was changed last
	hours     *hours
	lease     leaseObject
	replicas  int
	pod       *pod
	suspended time.Time // status.suspendedAt
	deletes   time.Time // status.deletesAt
	announced time.Time // the last transition of its condition StopPending, with a last warning
	cause     string    // the reason of its condition Ready while it does not run
	expired   *lifecycle.Expiry
	deleted   bool

	op    operator
	truth truth
	plans []interval
}

// leaseObject is the server's Lease. Its version changes with each write.
type leaseObject struct {
	lease.Lease
	version int
}

// hours is the schedule as the simulation computes it: every day, at these times
// after midnight.
type hours struct {
	zone        *time.Location
	start, stop time.Duration
}

func newWorld(r *Report, name string, rng *rand.Rand) *world {
	w := &world{report: r, name: name, rng: rng, replicas: 1}
	// Any time of the year, so that clocks are set forward and back in some.
	w.began = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC).Add(w.upTo(365 * 24 * time.Hour))
	w.now, w.end = w.began, w.began.Add(time.Duration(r.Days)*24*time.Hour)
	w.server.Name = "alice"
	w.choosePolicy()
	w.planDays()
	w.trouble()
	w.after(time.Hour, w.patrol)
	w.op.start(w)
	w.createPod()
	return w
}

func (w *world) run() {
	for len(w.queue) > 0 && !w.deleted && !w.queue[0].at.After(w.end) {
		next := w.queue[0]
		w.queue, w.now = w.queue[1:], next.at
		next.do()
	}
	if !w.deleted {
		w.now = w.end
	}
	w.account()
	w.report.Existed += w.now.Sub(w.began)
	w.fixed()
}

// after calls do later.
func (w *world) after(d time.Duration, do func()) {
	next := event{w.now.Add(d), do}
	i := sort.Search(len(w.queue), func(i int) bool { return w.queue[i].at.After(next.at) })
	w.queue = slices.Insert(w.queue, i, next)
}

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d) + 1)) }

func (w *world) between(a, b time.Duration) time.Duration { return a + w.upTo(b-a) }

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

func (w *world) count(name string) { w.report.Counts[name]++ }

func (w *world) fault(format string, args ...any) {
	w.report.fault(format, fmt.Sprintf("%s, %s: %s", w.name, w.now.Format(time.RFC3339Nano), fmt.Sprintf(format, args...)))
}

// operatorTime is the time by the operator's clock.
func (w *world) operatorTime() time.Time { return w.now.Add(w.opClock) }

// event is a call at a time.
type event struct {
	at time.Time
	do func()
}

// latest is the last of the times.
func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
