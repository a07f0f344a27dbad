package spawner

import (
	"os"
	"os/signal"
	"syscall"
)

// unignoreSignals gives SIGHUP and SIGINT their default effect in sessions. A
// process inherits the signals that its parent ignores, and the container runtime may
// have been started with nohup or in the background. The Go runtime handles the other
// signals, and children do not inherit handlers. The spawner itself receives the two
// signals and drops them.
func unignoreSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}
