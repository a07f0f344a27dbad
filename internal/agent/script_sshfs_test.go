package agent_test

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// fuseCondition lets a script ask [fuse]: whether the kernel offers FUSE.
func fuseCondition(condition string) (bool, error) {
	if condition != "fuse" {
		return false, fmt.Errorf("unknown condition %q", condition)
	}
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		device.Close()
	}
	return err == nil, nil
}

// mountRemote mounts a remote directory with sshfs: mount HOST:PATH DIR. It is
// unmounted before the script's directory is removed, also if the script fails.
func mountRemote(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[1])
	ts.Check(ts.Exec("sshfs", args[0], dir))
	ts.Defer(func() {
		// Once unmounted, there is nothing left to do.
		_ = exec.Command("fusermount3", "-u", "-z", "-q", dir).Run()
	})
}

// unmountRemote unmounts a directory, which sends what sshfs has not sent yet.
func unmountRemote(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("fusermount3", "-u", ts.MkAbs(args[0])))
}
