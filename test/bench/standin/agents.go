package standin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/agent/control"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// agents answers the operator's polls for all pods. Each agent is a real control endpoint with
// the key and token of its pod. They share one listener, because the addresses of all pods
// belong to this machine.
type agents struct {
	mu    sync.Mutex
	byPod map[string]*agent // by the pod's address
}

// agent is the control endpoint of one pod, and the listener that it accepts from.
type agent struct {
	address     net.Addr
	connections chan net.Conn
	over        <-chan struct{}
}

func (a *agent) Accept() (net.Conn, error) {
	select {
	case c := <-a.connections:
		return c, nil
	case <-a.over:
		return nil, net.ErrClosed
	}
}

func (a *agent) Close() error   { return nil }
func (a *agent) Addr() net.Addr { return a.address }

// listen passes each connection to the agent with its destination address, until ctx ends.
func (a *agents) listen(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", agentapi.ControlPort))
	if err != nil {
		return fmt.Errorf("answering as the agents: %w", err)
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		c, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("answering as the agents: %w", err)
		}
		host, _, err := net.SplitHostPort(c.LocalAddr().String())
		a.mu.Lock()
		agent := a.byPod[host]
		a.mu.Unlock()
		if err != nil || agent == nil {
			c.Close()
			continue
		}
		agent.connections <- c
	}
}

// answer starts the agent of a pod with the key and token of its Secret.
func (s *standIn) answer(ctx context.Context, pod *corev1.Pod, address string) error {
	name := objects.SecretName(strings.TrimSuffix(pod.Name, "-0"))
	secret, err := s.client.CoreV1().Secrets(pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	server, err := newServer(secret)
	if err != nil {
		return err
	}
	a := &agent{address: &net.TCPAddr{IP: net.ParseIP(address), Port: agentapi.ControlPort}, connections: make(chan net.Conn), over: ctx.Done()}
	s.agents.mu.Lock()
	s.agents.byPod[address] = a
	s.agents.mu.Unlock()
	go func() {
		if err := server.Serve(ctx, a); err != nil && !errors.Is(err, net.ErrClosed) {
			fmt.Printf("%s: %v\n", pod.Name, err)
		}
	}()
	return nil
}

// newServer returns the control endpoint of a server that is always active.
func newServer(secret *corev1.Secret) (_ *control.Server, failed error) {
	dir, err := os.MkdirTemp("", "devserver-bench-agent-")
	if err != nil {
		return nil, err
	}
	defer func() { failed = errors.Join(failed, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, agentapi.ControlKeyFile)
	if err := os.WriteFile(path, secret.Data[agentapi.ControlKeyFile], 0o600); err != nil {
		return nil, err
	}
	key, err := control.ReadKey(path)
	if err != nil {
		return nil, err
	}
	up := time.Now()
	return &control.Server{
		Key: key, Token: strings.TrimSpace(string(secret.Data[agentapi.ControlTokenFile])),
		Check:             func(context.Context) error { return nil },
		SetAuthorizedKeys: func([]byte) {},
		Poll: func(agentapi.Instructions) agentapi.Report {
			return agentapi.Report{UpSeconds: time.Since(up).Seconds(), Signals: []agentapi.Signal{{Name: agentapi.SignalCPU, Value: "CPU 100%"}}}
		},
		Logger: slog.New(slog.DiscardHandler),
	}, nil
}
