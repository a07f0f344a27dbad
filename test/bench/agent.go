package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

const mebi = 1 << 20

// measureAgent measures the size of the agent's binary, and its memory in an idle
// server, before and after a session.
func measureAgent(ctx context.Context, _ options, r *report) error {
	binary, err := cluster.Binary("agent")
	if err != nil {
		return err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return err
	}
	r.add(result{Target: "agent", Name: "binary", Unit: "MB", Values: []float64{float64(info.Size()) / 1e6}, Goal: 15})

	g, err := newGround(ctx, "agent")
	if err != nil {
		return err
	}
	defer g.remove()
	d := g.devServer("server")
	if err := g.c.Create(ctx, d); err != nil {
		return fmt.Errorf("create %s: %w", d.Name, err)
	}
	d, err = cluster.Await(ctx, g.c, d, func(d *v1.DevServer) bool { return d.Status.Phase == v1.PhaseRunning })
	if err != nil {
		return err
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: d.Name + "-0", Namespace: g.ns}}
	if err := g.c.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
		return err
	}
	if err := reportMemory(r, "idle, fresh", string(pod.UID)); err != nil {
		return err
	}
	if err := g.session(ctx, d); err != nil {
		return err
	}
	return reportMemory(r, "idle, after a session", string(pod.UID))
}

// session logs in once and logs out.
func (g *ground) session(ctx context.Context, d *v1.DevServer) error {
	c, err := openssh.NewClient(g.dir, openssh.Target{
		Host: d.Status.SSH.Host, Port: d.Status.SSH.Port, HostKey: d.Status.SSH.HostKey,
		Alias: d.Name + "." + d.Namespace, Key: g.key,
	})
	if err != nil {
		return err
	}
	ended, err := openssh.Do(c.Command(ctx, []string{"-tt"}, "true"))
	if err == nil && ended.Code != 0 {
		err = fmt.Errorf("a session ended with %d: %s", ended.Code, ended.Stderr)
	}
	return err
}

// reportMemory adds the memory of the agent's processes in a pod to the report: the sum
// of their resident sets, which counts the pages of the binary once per process, and the
// sum of their proportional sets, which counts them once.
func reportMemory(r *report, when, podUID string) error {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	var resident, proportional float64
	processes := 0
	for _, file := range commands {
		dir := filepath.Dir(file)
		command, _ := os.ReadFile(file) // empty if the process has ended
		cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		if !strings.Contains(strings.SplitN(string(command), "\x00", 2)[0], "devserver-agent") || !strings.Contains(string(cgroup), podUID) {
			continue
		}
		rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
		if err != nil {
			return err
		}
		processes++
		resident += field(string(rollup), "Rss:")
		proportional += field(string(rollup), "Pss:")
	}
	if processes == 0 {
		return errors.New("the agent is not among this machine's processes: its memory can be read on the local cluster only")
	}
	note := fmt.Sprintf("%d processes", processes)
	r.add(result{Target: "agent", Name: "resident, " + when, Unit: "MiB", Values: []float64{resident}, Goal: 20, Note: note})
	r.add(result{Target: "agent", Name: "proportional, " + when, Unit: "MiB", Values: []float64{proportional}, Note: note})
	return nil
}

// field returns a value of a file in /proc, which is in kB, in MiB.
func field(text, name string) float64 {
	_, rest, _ := strings.Cut(text, name)
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	n, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return 0
	}
	return n * 1024 / mebi
}
