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
	// wakeAgain is after what time a server that is still suspended is woken again. It
	// is shorter than the shortest idle timeout.
	wakeAgain = 30 * time.Second

	// callTimeout bounds a call to the API server.
	callTimeout = 10 * time.Second
)

// editLease changes the given fields of the spec of a server's Lease.
type editLease func(ctx context.Context, name types.NamespacedName, spec map[string]any) error

// waker wakes suspended servers. Each is woken once, however many clients wait.
type waker struct {
	renew func(ctx context.Context, name types.NamespacedName) error

	mu    sync.Mutex
	calls map[types.NamespacedName]*wakeCall
}

// wakeCall is one request to wake a server.
type wakeCall struct {
	done chan struct{} // closed when err is set
	err  error
}

func newWaker(renew func(context.Context, types.NamespacedName) error) *waker {
	return &waker{renew: renew, calls: map[types.NamespacedName]*wakeCall{}}
}

// wake wakes the server of that name, unless that was done a moment ago. first is
// true if this call did it.
func (w *waker) wake(ctx context.Context, name types.NamespacedName) (first bool, err error) {
	w.mu.Lock()
	call, ok := w.calls[name]
	if !ok {
		call = &wakeCall{done: make(chan struct{})}
		w.calls[name] = call
		go w.call(context.WithoutCancel(ctx), name, call)
	}
	w.mu.Unlock()
	select {
	case <-call.done:
		return !ok, call.err
	case <-ctx.Done():
		return !ok, context.Cause(ctx)
	}
}

// call continues if the client that caused it disconnects: others may wait.
func (w *waker) call(ctx context.Context, name types.NamespacedName, call *wakeCall) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	call.err = w.renew(ctx, name)
	forget := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.calls, name)
	}
	if call.err != nil {
		forget()
	} else {
		time.AfterFunc(wakeAgain, forget)
	}
	close(call.done)
}

// explainLease explains an error of an edit of a Lease to the user.
func explainLease(doing string, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: its Lease does not exist. The operator creates it: try again in a minute", doing)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the cluster does not allow the gateway to do that: ask an admin", doing)
	}
	return fmt.Errorf("%s: the cluster does not answer: try again", doing)
}
