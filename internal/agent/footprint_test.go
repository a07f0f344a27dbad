package agent_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
)

// BenchmarkFootprint builds the agent as releases do, and reports the size of the binary
// and the resident memory of an idle server's agent, both programs together:
//
//	go test -run '^$' -bench Footprint -benchtime 1x ./internal/agent
func BenchmarkFootprint(b *testing.B) {
	dir := b.TempDir()
	binary := filepath.Join(dir, "devserver-agent")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "devserver.io/devserver/cmd/agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	if err := keygen(filepath.Join(dir, "ssh_host_ed25519_key"), "-t", "ed25519"); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "authorized_keys"), nil, 0o600); err != nil {
		b.Fatal(err)
	}
	var resident int
	for b.Loop() {
		resident = idleMemory(b, binary, dir)
	}
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
	b.ReportMetric(float64(resident)/1024, "MiB-resident")
}

// idleMemory returns the resident memory, in KiB, of an agent that has answered probes.
func idleMemory(b *testing.B, binary, dir string) int {
	b.Helper()
	var log logBuffer
	socket := "--socket=" + filepath.Join(dir, "spawner.sock")
	total := 0
	var programs []*exec.Cmd
	for _, args := range [][]string{
		{"init", socket, fmt.Sprintf("--ssh-uid=%d", os.Getuid()), "--home=" + dir},
		{"serve", socket, fmt.Sprintf("--spawner-uid=%d", os.Getuid()), "--ssh-address=127.0.0.1:0", "--control-address=127.0.0.1:0", "--ssh-dir=" + dir},
	} {
		cmd := exec.Command(binary, args...)
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		})
		programs = append(programs, cmd)
	}
	match, err := log.wait(listening)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := log.wait(spawnerListening); err != nil {
		b.Fatal(err)
	}
	for range 10 {
		if out, err := exec.Command("curl", "-skf", "https://"+match[2]+"/healthz").CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	for _, cmd := range programs {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			b.Fatal(err)
		}
		kib, err := strconv.Atoi(regexp.MustCompile(`VmRSS:\s+(\d+)`).FindStringSubmatch(string(status))[1])
		if err != nil {
			b.Fatal(err)
		}
		total += kib
	}
	return total
}
