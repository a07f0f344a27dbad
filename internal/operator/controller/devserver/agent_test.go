package devserver_test

import (
	"context"
	"errors"
	"sync"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentclient"
)

// fakeAgent is the agent of a test's server.
type fakeAgent struct {
	mu sync.Mutex
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

func (a *fakeAgent) Poll(_ context.Context, i agentapi.Instructions) (agentapi.Report, error) {
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
	return agentclient.NewPoller(w.clock, func(agentclient.Address) (agentclient.Agent, error) { return a, nil })
}

// poll makes a pass, which may start the polling of the agent, and polls it once.
func (w *world) poll() {
	w.t.Helper()
	w.reconcile()
	w.r.Poller.Ask(w.t.Context(), w.key())
}
