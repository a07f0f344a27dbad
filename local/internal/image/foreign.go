package image

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// emulators maps an architecture to the name of its emulator in binfmt_misc, the
// kernel's table of interpreters for foreign programs.
var emulators = map[string]string{"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}

// settings is the folder with the registrations of the emulators of Debian's qemu-user-static.
const settings = "/usr/lib/binfmt.d/"

// enterForeign lets a command that installs packages of another architecture run
// their programs. If the machine cannot, the command gets its own user namespace with
// its own table of interpreters, and that of the machine does not change.
func enterForeign(cmd *exec.Cmd, architecture string) error {
	if architecture == runtime.GOARCH {
		return nil
	}
	emulator := emulators[architecture]
	if _, err := os.Stat("/proc/sys/fs/binfmt_misc/" + emulator); err == nil {
		return nil
	}
	if !kernelAtLeast(6, 7) {
		return fmt.Errorf("this machine cannot run %s programs, and its kernel, older than 6.7, has one table of interpreters for the whole machine: "+
			"install qemu-user-static and register it (`mount -t binfmt_misc none /proc/sys/fs/binfmt_misc; /usr/lib/systemd/systemd-binfmt`), or build with --platform=linux/%s", architecture, runtime.GOARCH)
	}
	conf, err := os.ReadFile(settings + emulator + ".conf")
	if err != nil {
		return fmt.Errorf("find the emulator of %s programs (Debian's qemu-user-static has it): %w", architecture, err)
	}
	registration, err := registration(string(conf))
	if err != nil {
		return fmt.Errorf("read %s: %w", settings+emulator+".conf", err)
	}
	const script = `set -e
mount -t proc proc /proc
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf %s "$1" >/proc/sys/fs/binfmt_misc/register
shift
exec "$@"`
	cmd.Args = append([]string{"sh", "-c", script, "sh", registration}, cmd.Args...)
	cmd.Path = "/bin/sh"
	everybody := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1 << 16}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		UidMappings:                everybody,
		GidMappings:                everybody,
		GidMappingsEnableSetgroups: true,
	}
	return nil
}

// registration returns the line for the kernel from a file of binfmt.d.
func registration(conf string) (string, error) {
	for line := range strings.Lines(conf) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, ":") {
			return line, nil
		}
	}
	return "", errors.New("it has no line that starts with a colon")
}

func kernelAtLeast(major, minor int) bool {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return false
	}
	var a, b int
	if _, err := fmt.Sscanf(string(release), "%d.%d", &a, &b); err != nil {
		return false
	}
	return a > major || a == major && b >= minor
}
