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

// lag is longer than a kubelet takes to update a changed Secret in a pod.
const lag = 5 * time.Minute

// settled is how old a change must be so that the next change is sure to have a
// different time. It exceeds the resolution of any file system's clock.
const settled = 2 * time.Second

// keyFile is the set of public keys that may log in. The keys come from a file,
// or from a push that the file does not contain yet.
type keyFile struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu    sync.Mutex
	stamp fileStamp
	keys  map[string]bool // by wire format
	// sum is the checksum of the text that keys was parsed from.
	sum [sha256.Size]byte
	// replaced has the checksum of each text that a push replaced, and the time
	// of that push. The file may still have such a text for a while.
	replaced map[[sha256.Size]byte]time.Time
	// recent is set if the file had changed shortly before it was read. The next
	// change may then have the same stamp.
	recent bool
	// lagging is set while the file is expected to be older than the last push.
	lagging bool
}

func newKeyFile(path string, log *slog.Logger) *keyFile {
	return &keyFile{path: path, log: log, now: time.Now, replaced: map[[sha256.Size]byte]time.Time{}}
}

// fileStamp changes whenever the file does. A kubelet replaces the file of a
// Secret through a symbolic link, so it has a different inode each time.
type fileStamp struct {
	device, inode uint64
	size          int64
	changed       syscall.Timespec
}

// contains reports whether the key may log in now. If the file cannot be read,
// it returns an error, and the caller must refuse the login.
func (f *keyFile) contains(key ssh.PublicKey) (bool, error) {
	keys, err := f.load()
	if err != nil {
		return false, err
	}
	return keys[string(key.Marshal())], nil
}

// load returns the current set of keys, which the caller must not change.
func (f *keyFile) load() (map[string]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refresh()
}

// refresh reads the file if it may have changed. The caller holds the lock.
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
	if f.lagging = old && f.now().Sub(replaced) < lag; f.lagging || (f.keys != nil && sum == f.sum) {
		return f.keys, nil
	}
	f.keys, f.sum = f.parse(text), sum
	f.log.Info("authorized keys read", "keys", len(f.keys))
	return f.keys, nil
}

// push sets keys that are newer than the keys in the file. Until lag has passed,
// a file with a text that a push has replaced is ignored. Any other text counts.
func (f *keyFile) push(text []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// A change of the file that has not been read yet is older than this push.
	if _, err := f.refresh(); err != nil {
		f.log.Warn("cannot read the keys that a push replaces", "error", err)
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

// parse skips lines that it does not accept, so that one bad key does not lock
// out the owners of the others.
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
