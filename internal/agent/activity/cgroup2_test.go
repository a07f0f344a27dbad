package activity

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup2 is the folder of the kernel's own version 2 control groups, which it
// has beside those of version 1, too. Nothing is mounted anywhere.
func cgroup2(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("control groups take root")
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

// The files are where the agent looks for them, in the unit that it reads, and
// the root of all groups is told from a box's.
func TestCPUTimeOfARealGroup(t *testing.T) {
	root := cgroup2(t)
	if _, err := cgroup2Time(root); !errors.Is(err, errWholeMachine) {
		t.Errorf("the root's CPU time is taken for a box's: %v", err)
	}
	dir := filepath.Join(root, fmt.Sprintf("devserver-activity-test-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	cpu := newCPUTime(dir, "/nowhere", func() (time.Duration, error) { return 0, nil })
	if used, err := cpu.used(); used != 0 || err != nil {
		t.Errorf("an empty group used %s (%v)", used, err)
	}
	group, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	box := exec.CommandContext(t.Context(), "sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
	box.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	if err := box.Run(); err != nil {
		t.Fatal(err)
	}
	used, err := cpu.used()
	spent := box.ProcessState.UserTime() + box.ProcessState.SystemTime()
	// What the program took before it was in the group is not the group's.
	if err != nil || used < spent/2 || used > 2*spent {
		t.Errorf("the group used %s (%v), its only process %s", used, err, spent)
	}
}
