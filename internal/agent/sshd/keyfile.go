package sshd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshkeys"
)

// maxKeyFileBytes is what fits a Secret.
const maxKeyFileBytes = 1 << 20

// keyFile is the set of public keys that may log in.
type keyFile struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex
	stamp fileStamp
	keys  map[string]bool // by wire format
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
	if f.keys != nil && stamp == f.stamp {
		return f.keys, nil
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFileBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the authorized keys: %w", err)
	}
	f.keys, f.stamp = f.parse(text), stamp
	f.log.Info("authorized keys read", "keys", len(f.keys))
	return f.keys, nil
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
	lines.Buffer(nil, maxKeyFileBytes)
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
