package sshd

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A home is as good as full with less room than a twentieth of it, or than
// plentyBytes where it is large.
const plentyBytes = 512 << 20

// room is what a file system has.
type room struct{ size, free, files, freeFiles uint64 }

func roomOf(dir string) (room, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return room{}, err
	}
	block := uint64(s.Bsize)
	return room{s.Blocks * block, s.Bavail * block, s.Files, s.Ffree}, nil
}

// warning is what somebody who logs in should know of the home's room, or
// empty. Programs that cannot write fail in odd ways.
func (r room) warning() string {
	const advice = "Make room, or ask for more: spec.persistentHomeSize of the DevServer.\n"
	switch {
	case r.size > 0 && r.free < min(r.size/20, plentyBytes):
		return fmt.Sprintf("Your home directory is full: %d MiB of %d MiB are free. %s", r.free>>20, r.size>>20, advice)
	case r.files > 0 && r.freeFiles < r.files/100:
		return fmt.Sprintf("Your home directory is full: it may hold %d more files, of %d. %s", r.freeFiles, r.files, advice)
	default:
		return ""
	}
}
