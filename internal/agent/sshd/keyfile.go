package sshd

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/sshkeys"
)

// lag is longer than a kubelet takes to bring a changed Secret into a pod.
const lag = 5 * time.Minute

// settled is how old a change has to be for the next one to have another time:
// more than the resolution of any file system's clock.
const settled = 2 * time.Second

// keyFile is the set of public keys that may log in: the file's, or newer ones
// that were pushed before the file has them.
type keyFile struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu    sync.Mutex
	stamp fileStamp
	keys  map[string]bool // by wire format
	// sum is that of the text that keys is made of.
	sum [sha256.Size]byte
	// replaced are the sums of texts that were replaced by a push, and when:
	// the file may still have one of these for a while.
	replaced map[[sha256.Size]byte]time.Time
	// recent is set if the file had changed shortly before it was read.
	recent bool
	// lagging is set while it does.
	lagging bool
}

func newKeyFile(path string, log *slog.Logger) *keyFile {
	return &keyFile{path: path, log: log, now: time.Now, replaced: map[[sha256.Size]byte]time.Time{}}
}

// fileStamp changes whenever the file does. A Secret's file is replaced
// through a symbolic link, so it is another inode each time.
type fileStamp struct {
	device, inode uint64
	size          int64
	changed       syscall.Timespec
}

// contains reports whether the key may log in now. A file that cannot be read
// lets nobody in.
func (f *keyFile) contains(key ssh.PublicKey) (bool, error) {
	keys, err := f.load()
	if err != nil {
		return false, err
	}
	return keys[string(key.Marshal())], nil
}

// load gives the current set of keys, which must not be written to.
func (f *keyFile) load() (map[string]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refresh()
}

// refresh reads the file where it may have changed.
func (f *keyFile) refresh() (map[string]bool, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("reading the authorized keys: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the authorized keys: %w", err)
	}
	stamp := stampOf(info)
	if f.keys != nil && stamp == f.stamp && !f.recent && !f.lagging {
		return f.keys, nil
	}
	f.recent = time.Since(time.Unix(stamp.changed.Unix())) < settled
	text, err := io.ReadAll(io.LimitReader(file, agentapi.MaxSecretBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the authorized keys: %w", err)
	}
	f.stamp = stamp
	sum := sha256.Sum256(text)
	replaced, old := f.replaced[sum]
	if f.lagging = old && f.now().Sub(replaced) < lag; f.lagging || f.keys != nil && sum == f.sum {
		return f.keys, nil
	}
	f.keys, f.sum = f.parse(text), sum
	f.log.Info("authorized keys read", "keys", len(f.keys))
	return f.keys, nil
}

// push sets keys that are newer than the file's, whose turn comes: a file that
// still has, or briefly gets, what was replaced here is not looked at.
func (f *keyFile) push(text []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// What the file has by now is older, too.
	if _, err := f.refresh(); err != nil {
		f.log.Warn("keys are pushed without knowing those before", "error", err)
	}
	sum := sha256.Sum256(text)
	if f.keys != nil && sum == f.sum {
		return
	}
	maps.DeleteFunc(f.replaced, func(_ [sha256.Size]byte, at time.Time) bool { return f.now().Sub(at) >= lag })
	if f.keys != nil {
		f.replaced[f.sum] = f.now()
	}
	delete(f.replaced, sum)
	f.keys, f.sum, f.lagging = f.parse(text), sum, true
	f.log.Info("authorized keys pushed", "keys", len(f.keys))
}

func stampOf(info os.FileInfo) fileStamp {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileStamp{size: info.Size(), changed: syscall.NsecToTimespec(info.ModTime().UnixNano())}
	}
	return fileStamp{device: stat.Dev, inode: stat.Ino, size: stat.Size, changed: stat.Ctim}
}

// parse skips what it does not accept: one bad key must not lock out the
// owners of the others.
func (f *keyFile) parse(text []byte) map[string]bool {
	keys := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, agentapi.MaxSecretBytes)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, err := sshkeys.ParseAuthorized(line)
		if err != nil {
			f.log.Warn("authorized key left out", "line", number, "error", err)
			continue
		}
		keys[string(key.Marshal())] = true
	}
	return keys
}
