package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// wakeAgain is when a box that still sleeps is woken once more. It is
	// shorter than the shortest time after which a box falls asleep.
	wakeAgain = 30 * time.Second

	// callTimeout bounds a call to the API server.
	callTimeout = 10 * time.Second
)

// editLease changes fields of the spec of a box's Lease, and no others.
type editLease func(ctx context.Context, box types.NamespacedName, spec map[string]any) error

// waker wakes sleeping boxes, each once, however many clients wait for it.
type waker struct {
	renew func(ctx context.Context, box types.NamespacedName) error

	mu    sync.Mutex
	begun map[types.NamespacedName]*waking
}

// waking is a box that is being woken.
type waking struct {
	asked chan struct{} // closed when err is there
	err   error
}

func newWaker(renew func(context.Context, types.NamespacedName) error) *waker {
	return &waker{renew: renew, begun: map[types.NamespacedName]*waking{}}
}

// wake asks for the box of that name to wake, unless that was done a moment
// ago. It is the cause of it if first is true.
func (w *waker) wake(ctx context.Context, name types.NamespacedName) (first bool, err error) {
	w.mu.Lock()
	box, ok := w.begun[name]
	if !ok {
		box = &waking{asked: make(chan struct{})}
		w.begun[name] = box
		go w.ask(context.WithoutCancel(ctx), name, box)
	}
	w.mu.Unlock()
	select {
	case <-box.asked:
		return !ok, box.err
	case <-ctx.Done():
		return !ok, context.Cause(ctx)
	}
}

// ask goes on when the client that began it is gone: others may wait.
func (w *waker) ask(ctx context.Context, name types.NamespacedName, box *waking) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	box.err = w.renew(ctx, name)
	forget := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.begun, name)
	}
	if box.err != nil {
		forget()
	} else {
		time.AfterFunc(wakeAgain, forget)
	}
	close(box.asked)
}

// explainLease puts an error of the API server into words for the person at the
// client.
func explainLease(doing string, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: its Lease is missing, which the operator makes anew: try again in a minute", doing)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the cluster does not let the gateway do that: tell its admin", doing)
	}
	return fmt.Errorf("%s: the cluster does not answer: try again", doing)
}
