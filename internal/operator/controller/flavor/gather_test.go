package flavor

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/workqueue"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"devserver.io/devserver/internal/testing/apiserver"
)

// delays is a queue that only remembers when the next pass should start.
type delays struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	last time.Duration
}

func (d *delays) AddAfter(_ reconcile.Request, after time.Duration) { d.last = after }

func TestEventsStartAPassEveryFiveSecondsAtMost(t *testing.T) {
	clock := testingclock.NewFakePassiveClock(time.Unix(1_900_000_000, 0))
	r := &Reconciler{Client: fake.NewClientBuilder().WithScheme(apiserver.Scheme(t)).Build(), Clock: clock, NodePools: func(context.Context) ([]unstructured.Unstructured, time.Duration, error) { return nil, 0, nil }}
	events, queue := r.gather(), &delays{}
	want := func(after time.Duration, when string) {
		t.Helper()
		if events.Create(t.Context(), event.CreateEvent{}, queue); queue.last != after {
			t.Errorf("%s: the next pass starts in %s, want %s", when, queue.last, after)
		}
	}
	want(time.Second, "before the first pass")
	if _, err := r.Reconcile(t.Context(), everything); err != nil {
		t.Fatal(err)
	}
	want(5*time.Second, "right after a pass")
	clock.SetTime(clock.Now().Add(2 * time.Second))
	want(3*time.Second, "two seconds after a pass")
	clock.SetTime(clock.Now().Add(time.Hour))
	want(time.Second, "long after a pass")
}
