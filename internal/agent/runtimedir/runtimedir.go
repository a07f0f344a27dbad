// Package runtimedir makes the private folders in which the agent and the
// box's programs meet.
package runtimedir

import (
	"fmt"
	"os"
	"syscall"
)

// Make makes a folder that is this user's alone. /tmp is everybody's: a folder
// of somebody else under this name is refused.
func Make(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a folder of this user", dir)
	}
	return os.Chmod(dir, 0o700)
}
