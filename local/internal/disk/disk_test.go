package disk

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/local/internal/loop"
)

func store(t *testing.T) *Store {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices require root")
	}
	s := New(filepath.Join(t.TempDir(), "disks"))
	t.Cleanup(func() {
		if err := errors.Join(s.DetachAll(), s.AwaitDetached(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *Store) mustMake(t *testing.T, name string, size int64, source string) {
	t.Helper()
	if err := s.Make(t.Context(), name, size, source); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}

func format(t *testing.T, device string) {
	t.Helper()
	do(t, "mkfs.xfs", "-q", "-f", device) // as the kubelet does
}

// mount mounts the device until the test ends or unmount is called, and returns the folder.
func mount(t *testing.T, device string) (dir string, unmount func()) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount(device, dir, "xfs", 0, ""); err != nil {
		t.Fatalf("mount %s: %v", device, err)
	}
	mounted := true
	unmount = func() {
		if err := unix.Unmount(dir, 0); mounted && err != nil {
			t.Errorf("unmount: %v", err)
		}
		mounted = false
	}
	t.Cleanup(unmount)
	return dir, unmount
}

// fill writes until the file system is full, and returns how much fit.
func fill(t *testing.T, path string) (written int64) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for ; ; written += Step {
		err := unix.Fallocate(int(file.Fd()), 0, written, Step)
		if errors.Is(err, unix.ENOSPC) {
			return written
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// start returns the first byte of a device.
func start(t *testing.T, device string) string {
	t.Helper()
	file, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	first := make([]byte, 1)
	if _, err := file.Read(first); err != nil {
		t.Fatal(err)
	}
	return string(first)
}

func TestRound(t *testing.T) {
	for size, want := range map[int64]int64{0: Least, 1: Least, Least: Least, Least + 1: Least + Step, 640 * Step: 640 * Step, math.MaxInt64: math.MaxInt64} {
		if got := Round(size); got != want {
			t.Errorf("%d becomes %d, want %d", size, got, want)
		}
	}
}

func TestSizeIsEnforcedAndGrowsWhileMounted(t *testing.T) {
	s := store(t)
	s.mustMake(t, "v", 400*Step, "")
	format(t, s.Device("v"))
	dir, _ := mount(t, s.Device("v"))
	if got := fill(t, filepath.Join(dir, "first")); got < 200*Step || got > 400*Step {
		t.Fatalf("%d bytes fit into 400 MiB", got)
	}
	if err := s.Grow("v", 500*Step); err != nil {
		t.Fatal(err)
	}
	do(t, "xfs_growfs", "-d", dir) // as the kubelet does
	if more := fill(t, filepath.Join(dir, "second")); more < 90*Step {
		t.Errorf("100 MiB more fit %d bytes", more)
	}
	// Growing to the same or a smaller size changes nothing.
	for _, size := range []int64{500 * Step, 400 * Step} {
		if err := s.Grow("v", size); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(s.image("v")); err != nil || info.Size() != 500*Step {
		t.Errorf("the image is %v (%v)", info, err)
	}
}

func TestSmallestVolumeCanBeFormatted(t *testing.T) {
	s := store(t)
	s.mustMake(t, "v", Least, "")
	format(t, s.Device("v"))
	dir, _ := mount(t, s.Device("v"))
	if got := fill(t, filepath.Join(dir, "file")); got < Least/2 || got > Least {
		t.Errorf("%d bytes fit", got)
	}
}

func TestRemoveRefusesMountedVolume(t *testing.T) {
	s := store(t)
	s.mustMake(t, "v", Least, "")
	s.mustMake(t, "other", Least, "")
	format(t, s.Device("v"))
	dir, unmount := mount(t, s.Device("v"))
	if err := s.Remove("v"); !errors.Is(err, ErrInUse) {
		t.Fatalf("removing a mounted volume: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
		t.Errorf("it is not usable: %v", err)
	}
	unmount()
	// The second call is for a volume that does not exist.
	for range 2 {
		if err := s.Remove("v"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Dir(s.image("v"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder still exists: %v", err)
	}
	if left, err := loop.Below(s.root); err != nil || len(left) != 1 || left[0].File != s.image("other") {
		t.Errorf("the devices left are %v (%v)", left, err)
	}
}

func TestAttachAllRestoresLinks(t *testing.T) {
	s := store(t)
	for _, name := range []string{"a", "b"} {
		s.mustMake(t, name, Least, "")
		if err := os.WriteFile(s.Device(name), []byte(name), 0); err != nil {
			t.Fatal(err)
		}
	}
	// After a reboot only the files are left, and devices have other numbers.
	if err := errors.Join(s.DetachAll(), s.AwaitDetached(t.Context())); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]string{"a": "b", "b": "a"} {
		if err := errors.Join(os.Remove(s.Device(name)), os.Symlink("/dev/"+other, s.Device(name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(s.root, "unfinished"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.AttachAll(); err != nil {
			t.Fatal(err)
		}
	}
	if devices, err := loop.Below(s.root); err != nil || len(devices) != 2 {
		t.Errorf("the devices are %v (%v)", devices, err)
	}
	for _, name := range []string{"a", "b"} {
		if got := start(t, s.Device(name)); got != name {
			t.Errorf("the device of %s begins with %q", name, got)
		}
	}
}

func TestMakeIsIdempotent(t *testing.T) {
	s := store(t)
	s.mustMake(t, "v", Least, "")
	if err := os.WriteFile(s.Device("v"), []byte("kept"), 0); err != nil {
		t.Fatal(err)
	}
	s.mustMake(t, "v", Least, "")
	if got := start(t, s.Device("v")); got != "k" {
		t.Errorf("creating it again emptied it: it begins with %q", got)
	}
	if devices, err := loop.Below(s.root); err != nil || len(devices) != 1 {
		t.Errorf("its devices are %v (%v)", devices, err)
	}
}

func TestCopyOfMountedVolume(t *testing.T) {
	s := store(t)
	s.mustMake(t, "source", Least, "")
	format(t, s.Device("source"))
	dir, _ := mount(t, s.Device("source"))
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o640); err != nil {
		t.Fatal(err)
	}
	s.mustMake(t, "copy", 2*Least, "source")
	// The source is writable again, and the two share nothing.
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("changed"), 0o640); err != nil {
		t.Fatal(err)
	}
	// Both can be used at the same time.
	copied, _ := mount(t, s.Device("copy"))
	if data, err := os.ReadFile(filepath.Join(copied, "file")); err != nil || string(data) != "content" {
		t.Errorf("the copy holds %q (%v)", data, err)
	}
	if room := fill(t, filepath.Join(copied, "more")); room < Least {
		t.Errorf("%d bytes fit into a copy of twice the size", room)
	}
}

func TestCopyOfUnmountedVolume(t *testing.T) {
	s := store(t)
	s.mustMake(t, "blank", Least, "")
	s.mustMake(t, "copy-of-blank", Least, "blank")
	if formatted, err := isXFS(s.image("copy-of-blank")); err != nil || formatted {
		t.Errorf("the copy of a blank volume is formatted: %v (%v)", formatted, err)
	}
	s.mustMake(t, "source", 1024*Step, "")
	format(t, s.Device("source"))
	s.mustMake(t, "copy", 1024*Step, "source")
	var image unix.Stat_t
	if err := unix.Stat(s.image("copy"), &image); err != nil || image.Size != 1024*Step || image.Blocks*512 > 128*Step {
		t.Errorf("the copy has %d bytes and takes %d (%v)", image.Size, image.Blocks*512, err)
	}
	mount(t, s.Device("copy"))
}

// TestNoWritesDuringCopy freezes a volume as a copy does.
func TestNoWritesDuringCopy(t *testing.T) {
	s := store(t)
	s.mustMake(t, "v", Least, "")
	format(t, s.Device("v"))
	dir, unmount := mount(t, s.Device("v"))
	release, err := s.hold("v")
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600) }()
	// The kernel refuses to freeze it a second time.
	if again, err := s.hold("v"); !errors.Is(err, unix.EBUSY) {
		t.Errorf("a second copy at the same time: %v", err)
		if err == nil {
			_ = again()
		}
	}
	select {
	case err := <-written:
		t.Errorf("a write succeeded (%v)", err)
	default:
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	unmount()
	release, err = s.hold("v")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(s.Device("v"), dir, "xfs", 0, ""); !errors.Is(err, unix.EBUSY) {
		t.Errorf("mounting while it is copied: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

func TestThawAfterCrash(t *testing.T) {
	s := store(t)
	s.mustMake(t, "v", Least, "")
	s.mustMake(t, "never-frozen", Least, "")
	for _, name := range []string{"v", "never-frozen"} {
		format(t, s.Device(name))
	}
	dir, _ := mount(t, s.Device("v"))
	mount(t, s.Device("never-frozen"))
	do(t, "fsfreeze", "--freeze", dir)
	t.Cleanup(func() {
		// A failing test must not leave a process that cannot exit.
		_ = exec.CommandContext(context.Background(), "fsfreeze", "--unfreeze", dir).Run()
	})
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(filepath.Join(dir, "file"), nil, 0o600) }()
	select {
	case err := <-written:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it is still frozen")
	}
}

func TestCancelledCopyLeavesNoVolume(t *testing.T) {
	s := store(t)
	s.mustMake(t, "source", Least, "")
	format(t, s.Device("source"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Make(ctx, "copy", Least, "source"); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled copy: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.root, "copy")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a partial copy is left: %v", err)
	}
	s.mustMake(t, "copy", Least, "source")
	mount(t, s.Device("copy"))
}

func TestName(t *testing.T) {
	s := New("/disks")
	for device, want := range map[string]string{"/disks/v/device": "v", "/disks/v/image": "", "/other/v/device": "", "/disks/a/b/device": "", "/disks/device": ""} {
		if name, ok := s.Name(device); ok != (want != "") || ok && name != want {
			t.Errorf("%s: %q, %v", device, name, ok)
		}
	}
}
