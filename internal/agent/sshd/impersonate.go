package sshd

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// as does something with the account's rights. Where those are not the agent's
// own, it lends them to the thread that it runs on, as OpenSSH does to its
// process: only the effective ids change, with which the kernel also takes the
// capabilities away, so that files, sockets, pipes and terminals are opened,
// made and owned as if the account had done it itself, and who is at the other
// end of a socket sees the account. The real and saved ids stay root's: with
// those, the account can neither signal nor trace the thread meanwhile.
//
// do must not hand its work to another goroutine, nor start a process, which
// attributes are for.
func (a *account) as(do func() error) error {
	if !a.switches || a.uid == os.Getuid() {
		return do()
	}
	own, err := os.Getgroups()
	if err != nil {
		return fmt.Errorf("reading the agent's groups: %w", err)
	}
	// Go makes no thread from one that is locked, so no other inherits the ids.
	runtime.LockOSThread()
	defer restore(own, os.Getegid(), parentDeathSignal())
	if err := become(a.uid, a.gid, a.groups()); err != nil {
		return fmt.Errorf("acting as %s (uid %d): %w", a.name, a.uid, err)
	}
	return do()
}

// parentDeathSignal is the signal that the thread asks for when the one that
// started the agent ends; 0 where it asks for none.
func parentDeathSignal() (signal int32) {
	to := unsafe.Pointer(&signal) //nolint:gosec // The kernel writes there.
	if failure(unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_PDEATHSIG, uintptr(to), 0)) != nil {
		return 0
	}
	return signal
}

// restore gives the thread root's rights back, and its parent death signal,
// which the kernel takes away with the ids: on the agent's first thread it is
// what ends the agent after its supervisor. A thread where that fails is not used
// again: it ends with the goroutine that is locked to it.
func restore(groups []int, gid int, signal int32) {
	ids := make([]uint32, 0, len(groups))
	for _, id := range groups {
		ids = append(ids, uint32(id))
	}
	err := setThreadUser(0)
	if err == nil {
		err = setThreadGroups(gid, ids)
	}
	if err == nil {
		err = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(signal), 0, 0, 0)
	}
	if err != nil {
		panic(fmt.Sprintf("a thread cannot become root again: %v", err))
	}
	runtime.UnlockOSThread()
}

// become sets the groups first: without the user's capabilities that is over.
func become(uid, gid int, groups []uint32) error {
	if err := setThreadGroups(gid, groups); err != nil {
		return err
	}
	return setThreadUser(uid)
}

// keep leaves an id as it is.
const keep = ^uintptr(0)

// These are bare system calls because the functions of package syscall, as
// POSIX wants it, change all threads of the process.

func setThreadUser(uid int) error {
	return failure(unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(uid), keep))
}

func setThreadGroups(gid int, groups []uint32) error {
	list := unsafe.Pointer(unsafe.SliceData(groups)) //nolint:gosec // The kernel takes no other list.
	if err := failure(unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(list), 0)); err != nil {
		return err
	}
	return failure(unix.RawSyscall(unix.SYS_SETRESGID, keep, uintptr(gid), keep))
}

func failure(_, _ uintptr, errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// AsUser does something with the rights of the box's user, who the agent is
// itself unless the box grants root.
func (s *Server) AsUser(do func() error) error { return s.accounts[s.cfg.Box.User].as(do) }
