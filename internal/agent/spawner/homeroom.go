package spawner

import (
	"fmt"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agentapi"
)

// RoomOf returns the size and the free space of the file system of a folder.
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

// fullHome returns a warning for a login if the home volume is full or nearly
// full, or the empty string. Without it, users see only the confusing errors of
// programs that cannot write.
func fullHome(r agentapi.Room) string {
	const advice = "Delete files, or increase spec.persistentHomeSize: devctl resize NAME --home-size SIZE\n"
	switch {
	case r.FullOfBytes():
		return fmt.Sprintf("Your home directory is full: %d MiB of %d MiB are free. %s", r.FreeBytes>>20, r.SizeBytes>>20, advice)
	case r.FullOfFiles():
		return fmt.Sprintf("Your home directory is full: it has room for %d more files of %d. %s", r.FreeFiles, r.Files, advice)
	default:
		return ""
	}
}
