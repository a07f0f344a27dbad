package sshd

import (
	"fmt"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agentapi"
)

// RoomOf tells the room in the file system of a folder.
func RoomOf(dir string) (agentapi.Room, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return agentapi.Room{}, err
	}
	return agentapi.Room{
		SizeBytes: int64(s.Blocks) * s.Bsize, FreeBytes: int64(s.Bavail) * s.Bsize,
		Files: int64(s.Files), FreeFiles: int64(s.Ffree),
	}, nil
}

// fullHome is what somebody who logs in should know of the home's room, or
// empty. Programs that cannot write fail in odd ways.
func fullHome(r agentapi.Room) string {
	const advice = "Make room, or ask for more: spec.persistentHomeSize of the DevServer.\n"
	switch {
	case r.FullOfBytes():
		return fmt.Sprintf("Your home directory is full: %d MiB of %d MiB are free. %s", r.FreeBytes>>20, r.SizeBytes>>20, advice)
	case r.FullOfFiles():
		return fmt.Sprintf("Your home directory is full: it may hold %d more files, of %d. %s", r.FreeFiles, r.Files, advice)
	default:
		return ""
	}
}
