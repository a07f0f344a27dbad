package devserver_test

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/controller/devserver"
)

// stalling is an agent that takes a call and does not answer while the test lasts.
type stalling struct {
	*fakeAgent

	called chan<- string
	server string
}

func (s stalling) SetAuthorizedKeys(ctx context.Context, _ []byte) error {
	s.called <- s.server
	<-ctx.Done()
	return ctx.Err()
}

// As many hostile servers as there are passes at a time stall the calls to their agents.
// The passes over other servers, and the calls to their agents, are not delayed.
func TestStallingServersDelayNobody(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	called := make(chan string, 2*devserver.Workers)
	addresses := map[string]string{} // of the hostile servers
	w.r.Poller = agentclient.NewPoller(w.clock, func(a agentclient.Address) (agentclient.Agent, error) {
		if server := addresses[a.HostPort]; server != "" {
			return stalling{fakeAgent: w.agent, called: called, server: server}, nil
		}
		return w.agent, nil
	})
	names := []string{"trainer"}
	for i := range devserver.Workers {
		name := fmt.Sprintf("hostile-%d", i)
		names = append(names, name)
		addresses[fmt.Sprintf("10.0.1.%d:2223", i)] = name
	}
	for i, name := range names {
		w.create(w.devServer(func(d *devv1.DevServer) { d.Name = name }))
		ip := "10.0.0.9"
		if i > 0 {
			ip = fmt.Sprintf("10.0.1.%d", i-1)
		}
		request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: w.ns, Name: name}}
		if _, err := w.r.Reconcile(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		w.startPodOf(name, ip, func(*corev1.Pod) {})
	}
	w.start()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.r.Poller.Start(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	for _, name := range names[1:] {
		change(w, &devv1.DevServer{}, name, func(d *devv1.DevServer) { d.Spec.SSH.PublicKey = otherKey })
	}
	held := map[string]bool{}
	for len(held) < devserver.Workers {
		held[<-called] = true
	}
	change(w, &devv1.DevServer{}, "trainer", func(d *devv1.DevServer) { d.Spec.SSH.PublicKey = otherKey })
	await(w, &corev1.Secret{}, "trainer-ssh", func(s *corev1.Secret) bool { return string(s.Data["authorized_keys"]) == otherKey+"\n" })
	await(w, &devv1.DevServer{}, "trainer", func(*devv1.DevServer) bool {
		w.agent.mu.Lock()
		defer w.agent.mu.Unlock()
		return len(w.agent.pushed) == 1
	})
	if len(called) > 0 {
		t.Errorf("the agent of %s is called again before its first call has ended", <-called)
	}
}
