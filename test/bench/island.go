package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/test/bench/standin"
)

// islandName as the first argument makes this program measure scale in its current network
// namespace, and write the results to a file.
const islandName = "on-island"

// measureOnIsland measures scale in a separate process, in a network namespace with only a
// loopback interface. EndpointSlices do not accept loopback addresses, so pods need other
// addresses, which the operator may call. These calls must not leave the machine.
func measureOnIsland(ctx context.Context, r *report) (failed error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "devserver-bench-report-")
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "report.json")
	island := exec.CommandContext(ctx, self, append([]string{islandName, file}, os.Args[1:]...)...)
	island.Stdout, island.Stderr = os.Stdout, os.Stderr
	// SIGTERM, so that it can stop its control plane.
	island.Cancel = func() error { return island.Process.Signal(syscall.SIGTERM) }
	island.SysProcAttr = newNetwork(os.Getuid(), os.Getgid())
	if err := island.Run(); err != nil {
		failed = fmt.Errorf("measuring in a network namespace: %w", err)
	}
	return errors.Join(failed, r.include(file))
}

// newNetwork returns the attributes of a process with a new network namespace. Without
// root, that requires a user namespace.
func newNetwork(uid, gid int) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: gid, Size: 1}}
	}
	return attr
}

// runOnIsland measures scale and writes the results to the file in the first argument, even
// after an error. The other arguments are those of the parent process.
func runOnIsland(ctx context.Context, args []string) error {
	o, _, err := parse(args[1:])
	if err != nil {
		return err
	}
	if err := bringUpLoopback(standin.Pods); err != nil {
		return err
	}
	r := newReport()
	return errors.Join(runScale(ctx, o, r), r.write(args[0]))
}

// bringUpLoopback gives the loopback interface 127.0.0.1 and all addresses in pods.
func bringUpLoopback(pods netip.Prefix) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	defer unix.Close(socket)
	set := func(name string, request uint, fill func(*unix.Ifreq) error) error {
		ifreq, err := unix.NewIfreq(name)
		if err == nil {
			err = fill(ifreq)
		}
		if err == nil {
			err = unix.IoctlIfreq(socket, request, ifreq)
		}
		if err != nil {
			return fmt.Errorf("setting the interface %s up: %w", name, err)
		}
		return nil
	}
	const alias = "lo:pods"
	mask := net.CIDRMask(pods.Bits(), pods.Addr().BitLen())
	return errors.Join(
		set("lo", unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP); return nil }),
		set(alias, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(pods.Addr().AsSlice()) }),
		// On a loopback interface, all addresses of the network are local.
		set(alias, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask) }),
	)
}

// include adds the results of another process.
func (r *report) include(file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // The process failed before it wrote the file, and reported that.
	}
	var other report
	if err == nil {
		err = json.Unmarshal(text, &other)
	}
	if err != nil {
		return fmt.Errorf("reading the results: %w", err)
	}
	r.Setting = append(r.Setting, other.Setting...)
	r.Results = append(r.Results, other.Results...)
	return nil
}
