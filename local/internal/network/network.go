package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"devserver.io/devserver/local/internal/cluster"
)

// Namespace is the file of the cluster's network namespace.
func Namespace(c cluster.Cluster) string { return filepath.Join("/run/netns", c.Scope()) }

// device is the host's end of the veth pair. Interface names have at most 15 bytes, so
// it contains the slot instead of the name.
func (p Plan) device() string { return fmt.Sprintf("devserver%d", p.Slot) }

// Load reads the plan that the cluster was created with.
func Load(c cluster.Cluster) (Plan, error) {
	data, err := os.ReadFile(c.State("network.json"))
	if err != nil {
		return Plan{}, err
	}
	var saved Plan
	if err := json.Unmarshal(data, &saved); err != nil {
		return Plan{}, fmt.Errorf("read %s: %w", c.State("network.json"), err)
	}
	plan := NewPlan(saved.Slot) // All addresses follow from the slot.
	plan.Routed = saved.Routed
	return plan, nil
}

// Choose returns the cluster's plan, and picks one if it has none yet.
func Choose(ctx context.Context, c cluster.Cluster) (Plan, error) {
	plan, err := Load(c)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return plan, err
	}
	release, err := cluster.LockAll(ctx)
	if err != nil {
		return Plan{}, err
	}
	defer release()
	names, err := cluster.Names()
	if err != nil {
		return Plan{}, err
	}
	var used []int
	for _, name := range names {
		// A cluster without a plan waits for the lock held here.
		if other, err := Load(cluster.Cluster{Name: name}); err == nil {
			used = append(used, other.Slot)
		}
	}
	machine, err := machinePrefixes(ctx)
	if err != nil {
		return Plan{}, err
	}
	if plan, err = Pick(used, machine); err != nil {
		return Plan{}, err
	}
	data, err := json.Marshal(plan)
	if err != nil {
		return Plan{}, err
	}
	return plan, os.WriteFile(c.State("network.json"), data, 0o600)
}

// Ensure creates the network namespace, the veth pair and the routes that are missing.
func Ensure(ctx context.Context, c cluster.Cluster, p Plan) error {
	if !entered(Namespace(c)) {
		// A plain file, left by a crash, or by a reboot if /run is on disk.
		_ = os.Remove(Namespace(c))
		if err := ip(ctx, "netns", "add", c.Scope()); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join("/sys/class/net", p.device())); err == nil {
		return nil
	}
	steps := [][]string{
		{"-n", c.Scope(), "link", "set", "lo", "up"},
		{"link", "add", p.device(), "type", "veth", "peer", "name", "eth0", "netns", c.Scope()},
		{"-n", c.Scope(), "addr", "add", p.Node.String() + "/30", "dev", "eth0"},
		{"-n", c.Scope(), "link", "set", "eth0", "up"},
		// Packets to other destinations must fail at once, not after a timeout: nothing
		// forwards them.
		{"-n", c.Scope(), "route", "replace", "unreachable", "default"},
		{"addr", "add", p.Host.String() + "/30", "dev", p.device()},
		{"link", "set", p.device(), "up"},
	}
	if p.Routed {
		// Lets an operator outside the cluster reach pods. The route is removed with the
		// interface.
		steps = append(steps, []string{"route", "replace", p.Block.String(), "via", p.Node.String(), "dev", p.device()})
	}
	for _, step := range steps {
		if err := ip(ctx, step...); err != nil {
			return err
		}
	}
	return nil
}

// toHome is a further node's end of the veth pair to the cluster's first node.
const toHome = "home"

// Connect creates the veth pair between the first node of a cluster and a further one,
// and the routes to each other's pods, if they are missing. Neither end is visible on
// the host.
func Connect(ctx context.Context, home, node cluster.Cluster, homePlan, plan Plan) error {
	device := fmt.Sprintf("node%d", plan.Slot)
	if hasLink(ctx, home, device) {
		return nil
	}
	if err := ip(ctx, "-n", home.Scope(), "link", "add", device, "type", "veth", "peer", "name", toHome, "netns", node.Scope()); err != nil {
		return err
	}
	for _, end := range []struct {
		namespace, device string
		own, other        Plan
	}{{home.Scope(), device, homePlan, plan}, {node.Scope(), toHome, plan, homePlan}} {
		for _, step := range [][]string{
			{"addr", "add", end.own.Node.String(), "peer", end.other.Node.String(), "dev", end.device},
			{"link", "set", end.device, "up"},
			{"route", "replace", end.other.Pods.String(), "via", end.other.Node.String(), "dev", end.device},
		} {
			if err := ip(ctx, append([]string{"-n", end.namespace}, step...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// disconnect removes a further node's veth pair, as Remove does with the other one.
func disconnect(ctx context.Context, node cluster.Cluster) error {
	if !entered(Namespace(node)) || !hasLink(ctx, node, toHome) {
		return nil
	}
	return ip(ctx, "-n", node.Scope(), "link", "delete", toHome)
}

// hasLink passes "dev" before the name: ip parses some names, such as "home", as
// keywords, and then always succeeds.
func hasLink(ctx context.Context, c cluster.Cluster, device string) bool {
	return exec.CommandContext(ctx, "ip", "-n", c.Scope(), "link", "show", "dev", device).Run() == nil
}

// Remove removes the veth pairs and the namespace. It is no error if one is missing.
func Remove(ctx context.Context, c cluster.Cluster) error {
	if err := disconnect(ctx, c); err != nil {
		return err
	}
	// The namespace ends only with its last process and mount, but the veth pair must be
	// removed now, because the next cluster can get its addresses.
	if plan, err := Load(c); err == nil {
		if _, err := os.Stat(filepath.Join("/sys/class/net", plan.device())); err == nil {
			if err := ip(ctx, "link", "delete", plan.device()); err != nil {
				return err
			}
		}
	}
	if entered(Namespace(c)) {
		return ip(ctx, "netns", "delete", c.Scope())
	}
	if err := os.Remove(Namespace(c)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the network namespace: %w", err)
	}
	return nil
}

// machinePrefixes lists the networks of the machine's addresses and routes, except
// for default routes, which cover everything.
func machinePrefixes(ctx context.Context) ([]netip.Prefix, error) {
	var found []netip.Prefix
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the machine's addresses: %w", err)
	}
	for _, a := range addresses {
		found = appendPrefix(found, a.String())
	}
	out, err := exec.CommandContext(ctx, "ip", "-4", "-json", "route", "show", "table", "all").Output()
	if err != nil {
		return nil, fmt.Errorf("list the machine's routes: %w", err)
	}
	var routes []struct {
		Destination string `json:"dst"`
	}
	if err := json.Unmarshal(out, &routes); err != nil {
		return nil, fmt.Errorf("read the machine's routes: %w", err)
	}
	for _, r := range routes {
		found = appendPrefix(found, r.Destination)
	}
	return found, nil
}

func appendPrefix(list []netip.Prefix, s string) []netip.Prefix {
	if a, err := netip.ParseAddr(s); err == nil {
		return append(list, netip.PrefixFrom(a, a.BitLen()))
	}
	if p, err := netip.ParsePrefix(s); err == nil && p.Bits() > 0 {
		return append(list, p.Masked())
	}
	return list
}

func ip(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
