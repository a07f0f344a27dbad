// Package runtimedir creates the private folders that the agent shares with the
// user's programs.
package runtimedir

import (
	"fmt"
	"os"
	"syscall"
)

// Make creates a folder that only this user can enter. If the folder exists and
// belongs to another user, which is possible in /tmp, Make returns an error.
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
		return fmt.Errorf("%s is not a folder that this user owns", dir)
	}
	return os.Chmod(dir, 0o700)
}
