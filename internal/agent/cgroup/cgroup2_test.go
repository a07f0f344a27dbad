package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// cgroup2 returns the root folder of the kernel's version 2 control groups, which
// exists beside those of version 1. It is mounted nowhere.
func cgroup2(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making a control group requires root")
	}
	fs, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		t.Fatal(err)
	}
	root, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(root) })
	return fmt.Sprintf("/proc/self/fd/%d", root)
}

// TestCPUTimeOfRealGroup shows that the kernel's files have the names and the unit
// that this package reads, and that the root of all groups is recognized.
func TestCPUTimeOfRealGroup(t *testing.T) {
	root := cgroup2(t)
	if _, err := cpuTime2(root); !errors.Is(err, errWholeMachine) {
		t.Errorf("the root group: got error %v, want %v", err, errWholeMachine)
	}
	dir := filepath.Join(root, fmt.Sprintf("devserver-cgroup-test-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	cpuTime := CPUTimeSources(dir)[0]
	if used, err := cpuTime(); used != 0 || err != nil {
		t.Errorf("an empty group used %s (%v)", used, err)
	}
	group, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	command := exec.CommandContext(t.Context(), "sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
	command.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	used, err := cpuTime()
	spent := command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	// The group does not have the time that the command used before it was in it.
	if err != nil || used < spent/2 || used > 2*spent {
		t.Errorf("the group used %s (%v), its only process %s", used, err, spent)
	}
}
