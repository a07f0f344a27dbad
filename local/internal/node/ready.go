package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"devserver.io/devserver/local/internal/addon"
	"devserver.io/devserver/local/internal/part"
)

// patience is how long a step may take before it counts as failed. It is minutes,
// because a machine that compiles at the same time is slow.
const patience = 3 * time.Minute

// Up starts the parts and waits until pods can run. It calls load as soon as
// containerd accepts images, and starts the other parts meanwhile: loading uses the
// disk, starting them the processor.
func (n *Node) Up(ctx context.Context, load func(context.Context) error) error {
	// All three take a while before they need each other, and retry.
	if err := n.start(ctx, "etcd", "containerd", "kube-apiserver"); err != nil {
		return err
	}
	return n.besideLoading(ctx, load, n.control)
}

// besideLoading calls load as soon as containerd accepts images, and runs the rest of
// the start meanwhile.
func (n *Node) besideLoading(ctx context.Context, load, rest func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loaded := make(chan error, 1)
	go func() {
		err := n.poll(ctx, func() error { return listens(ctx, part.ContainerdSocket(n.Cluster)) })
		if err == nil {
			err = load(ctx)
		}
		loaded <- err
	}()
	if err := rest(ctx); err != nil {
		cancel()
		<-loaded //nolint:errcheck // the first failure is the one to report
		return err
	}
	return <-loaded
}

func listens(ctx context.Context, socket string) error {
	connection, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return connection.Close()
}

// control starts everything that requires the API server.
func (n *Node) control(ctx context.Context) error {
	if err := n.wait(ctx, "API server", n.Client.Ready, "kube-apiserver", "etcd"); err != nil {
		return err
	}
	// DNS, the provisioner and the kubelet's logs require their permissions first.
	step := n.reporter.Start("apply cluster objects")
	err := n.Client.Apply(ctx, addon.Manifests(n.Plan))
	step.End(err)
	if err != nil {
		return err
	}
	if err := n.start(ctx, part.Names...); err != nil {
		return err
	}
	if err := n.wait(ctx, "node", n.nodeReady, "kubelet", "containerd"); err != nil {
		return err
	}
	if err := n.wait(ctx, "cluster DNS", n.dnsReady, "coredns"); err != nil {
		return err
	}
	return n.wait(ctx, "default ServiceAccount", n.accountReady, "kube-controller-manager")
}

// wait polls until ready returns nil. It gives up when a part ends or after patience.
// The parts are those whose logs explain the delay.
func (n *Node) wait(ctx context.Context, what string, ready func(context.Context) error, parts ...string) error {
	step := n.reporter.Start("wait for " + what)
	err := n.poll(ctx, func() error {
		err := ready(ctx)
		if err != nil {
			step.Update("%s", short(err))
		}
		return err
	})
	step.End(err)
	var death *deathError
	if err == nil || errors.As(err, &death) {
		return err
	}
	logs := make([]string, 0, len(parts))
	for _, p := range parts {
		logs = append(logs, n.Cluster.Log(p))
	}
	return fmt.Errorf("%s is not ready: %w; see %s", what, err, strings.Join(logs, " and "))
}

func (n *Node) poll(ctx context.Context, ready func() error) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ended := <-n.ended:
			return ended
		case <-deadline.C:
			return fmt.Errorf("gave up after %s: %w", patience, err)
		case <-tick.C:
		}
	}
}

func (n *Node) nodeReady(ctx context.Context) error {
	var object struct {
		Status struct {
			Conditions []struct {
				Type, Status, Message string
				LastHeartbeatTime     time.Time
			}
		}
	}
	if err := n.Client.Get(ctx, "/api/v1/nodes/"+n.Cluster.Name, &object); err != nil {
		return err
	}
	for _, condition := range object.Status.Conditions {
		if condition.Type != "Ready" {
			continue
		}
		if condition.Status != "True" {
			return errors.New(condition.Message)
		}
		// A condition from before the kubelet's restart does not count.
		if condition.LastHeartbeatTime.Before(n.born.Truncate(time.Second)) {
			return errors.New("the kubelet has not reported yet")
		}
		return n.podsKnown(ctx)
	}
	return errors.New("the node has no Ready condition yet")
}

// podsKnown waits after a restart until the kubelet has found its pods again: before
// that it refuses exec and logs.
func (n *Node) podsKnown(ctx context.Context) error {
	if n.born.IsZero() {
		return nil
	}
	type list struct{ Items []struct{} }
	var all, known list
	if err := n.Client.Get(ctx, "/api/v1/pods?fieldSelector=spec.nodeName%3D"+n.Cluster.Name, &all); err != nil {
		return err
	}
	if err := n.Client.Get(ctx, "/api/v1/nodes/"+n.Cluster.Name+"/proxy/pods", &known); err != nil {
		return err
	}
	if len(known.Items) < len(all.Items) {
		return fmt.Errorf("the kubelet knows %d of its %d pods", len(known.Items), len(all.Items))
	}
	return nil
}

// dnsReady queries cluster DNS for a name that every cluster has.
func (n *Node) dnsReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, netip.AddrPortFrom(n.Plan.Node, 53).String())
	}}
	found, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0] != n.Plan.API().String() {
		return fmt.Errorf("its address of the API server is %v", found)
	}
	return nil
}

// accountReady waits for what every pod in a new namespace requires.
func (n *Node) accountReady(ctx context.Context) error {
	var object struct{}
	if err := n.Client.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", &object); err != nil {
		return err
	}
	return n.Client.Get(ctx, "/api/v1/namespaces/default/configmaps/kube-root-ca.crt", &object)
}

// short is the first line of an error, for one line of progress.
func short(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	if len(line) > 80 {
		line = line[:80]
	}
	return line
}
