package devserver_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentclient"
)

// fakeAgent is the agent of a test's server.
type fakeAgent struct {
	t *testing.T
	// inPass is set while a pass is made, which must not call the agent.
	inPass atomic.Bool

	mu sync.Mutex
	// address is where the operator connected to. refusesKeys, if set, is the answer to a
	// push, and pushed has the keys of the other ones, each with the address.
	address     string
	refusesKeys error
	pushed      []string
	pushes      int
	// idle is how long ago the server was last active, in seconds.
	idle float64
	// silent is set if the agent does not answer; err, if set, is its answer.
	silent bool
	err    error
	// released is set once a drain has been released.
	released     bool
	report       agentapi.Report
	instructions agentapi.Instructions
	drains       []agentapi.Drain
	// onDrain, if set, is called in the middle of a drain.
	onDrain func()
}

func (a *fakeAgent) called() {
	if a.inPass.Load() {
		a.t.Error("a pass calls the agent")
	}
}

func (a *fakeAgent) SetAuthorizedKeys(_ context.Context, text []byte) error {
	a.called()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pushes++; a.refusesKeys != nil {
		return a.refusesKeys
	}
	a.pushed = append(a.pushed, a.address+" "+string(text))
	return nil
}

func (a *fakeAgent) Poll(_ context.Context, i agentapi.Instructions) (agentapi.Report, error) {
	a.called()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.silent {
		return agentapi.Report{}, errors.New("no answer")
	}
	if a.err != nil {
		return agentapi.Report{}, a.err
	}
	a.instructions = i
	return a.currentReport(), nil
}

func (a *fakeAgent) currentReport() agentapi.Report {
	r := a.report
	r.UpSeconds = 1e9
	r.Signals = []agentapi.Signal{{Name: agentapi.SignalCPU, IdleSeconds: a.idle, Value: "CPU 1%"}}
	return r
}

func (a *fakeAgent) Drain(_ context.Context, d agentapi.Drain) (bool, agentapi.Report, error) {
	a.called()
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.Release {
		a.released = true
		return true, agentapi.Report{}, nil
	}
	a.drains = append(a.drains, d)
	if a.onDrain != nil {
		a.onDrain()
	}
	if a.silent {
		return false, agentapi.Report{}, errors.New("no answer")
	}
	if a.idle < d.IdleSeconds {
		return false, a.currentReport(), nil
	}
	return true, agentapi.Report{}, nil
}

func (w *world) pollerOf(a *fakeAgent) *agentclient.Poller {
	return agentclient.NewPoller(w.clock, func(address agentclient.Address) (agentclient.Agent, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.address = address.HostPort
		return a, nil
	})
}

// poll makes a pass, which may start the polling of the agent, and polls it once.
func (w *world) poll() {
	w.t.Helper()
	w.reconcile()
	w.r.Poller.Ask(w.t.Context(), w.key())
}
