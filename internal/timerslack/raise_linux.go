package timerslack

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// raised is set in the environment of the program that is executed anew, so that
// none is that forgets its slack, whatever the kernel says.
const raised = "DEVSERVER_TIMERSLACK_RAISED"

func raise(slack time.Duration) {
	if os.Getenv(raised) != "" {
		_ = os.Unsetenv(raised)
		return
	}
	// The thread that executes the program anew is the one whose slack lasts. It
	// is kept, see prctl(2), by all threads that it starts.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || time.Duration(now) >= slack {
		return
	}
	if unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack.Nanoseconds()), 0, 0, 0) != nil {
		return
	}
	// Where that fails, the program goes on as it was started.
	_ = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), raised+"=yes")) //nolint:gosec // the same as now
}
