package spawner

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// as calls do with the account's rights. If the account is not the agent's own,
// as changes the effective ids of the current thread, as OpenSSH does for its
// process. The kernel then drops the thread's effective capabilities too, so
// files, sockets, pipes and terminals are opened, created and owned as if the
// account had done it, and the peer of a socket sees the account. The real and
// saved ids stay root's, so the account can neither signal nor trace the thread
// during the call.
//
// do must not leave work to another goroutine, and must not start a process: use
// attributes for that.
func (a *account) as(do func() error) error {
	if !a.switches || a.uid == os.Getuid() {
		return do()
	}
	own, err := os.Getgroups()
	if err != nil {
		return fmt.Errorf("reading the agent's groups: %w", err)
	}
	// Go starts no thread from a locked one, so no other thread inherits the ids.
	runtime.LockOSThread()
	defer restore(own, os.Getegid())
	if err := become(a.uid, a.gid, a.groups()); err != nil {
		return fmt.Errorf("acting as %s (uid %d): %w", a.name, a.uid, err)
	}
	return do()
}

// restore makes the thread root again. If that fails, it panics with the thread still
// locked, so the thread ends with the goroutine and is not used again.
func restore(groups []int, gid int) {
	ids := make([]uint32, 0, len(groups))
	for _, id := range groups {
		ids = append(ids, uint32(id))
	}
	err := setThreadUser(0)
	if err == nil {
		err = setThreadGroups(gid, ids)
	}
	if err != nil {
		panic(fmt.Sprintf("a thread cannot become root again: %v", err))
	}
	runtime.UnlockOSThread()
}

// become sets the groups before the user, because changing the user drops the
// capability that setting groups requires.
func become(uid, gid int, groups []uint32) error {
	if err := setThreadGroups(gid, groups); err != nil {
		return err
	}
	return setThreadUser(uid)
}

// unchanged leaves an id as it is.
const unchanged = ^uintptr(0)

// These are raw system calls because the functions of package syscall change
// all threads of the process, as POSIX requires.

func setThreadUser(uid int) error {
	return failure(unix.RawSyscall(unix.SYS_SETRESUID, unchanged, uintptr(uid), unchanged))
}

func setThreadGroups(gid int, groups []uint32) error {
	list := unsafe.Pointer(unsafe.SliceData(groups)) //nolint:gosec // The kernel takes no other list.
	if err := failure(unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(list), 0)); err != nil {
		return err
	}
	return failure(unix.RawSyscall(unix.SYS_SETRESGID, unchanged, uintptr(gid), unchanged))
}

func failure(_, _ uintptr, errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// AsUser calls do with the rights of the server's user. Without RootLogin, those
// are the spawner's own.
func (s *Server) AsUser(do func() error) error { return s.accounts[s.cfg.Environment.User].as(do) }
