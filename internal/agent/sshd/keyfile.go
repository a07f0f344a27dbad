package sshd

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/sshkeys"
)

// lag is longer than a kubelet takes to update a changed Secret in a pod.
const lag = 5 * time.Minute

// keyFile is the set of public keys that may log in. The keys come from a file,
// or from a push that the file does not contain yet.
type keyFile struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu   sync.Mutex
	keys map[string]bool // by wire format
	// sum is the checksum of the text that keys was parsed from.
	sum [sha256.Size]byte
	// replaced has the checksum of each text that a push replaced, and the time
	// of that push. The file may still have such a text for a while.
	replaced map[[sha256.Size]byte]time.Time
}

func newKeyFile(path string, log *slog.Logger) *keyFile {
	return &keyFile{path: path, log: log, now: time.Now, replaced: map[[sha256.Size]byte]time.Time{}}
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

// refresh reads the file. The caller holds the lock.
func (f *keyFile) refresh() (map[string]bool, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("reading the authorized keys: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, agentapi.MaxSecretBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the authorized keys: %w", err)
	}
	sum := sha256.Sum256(text)
	replaced, old := f.replaced[sum]
	if (old && f.now().Sub(replaced) < lag) || (f.keys != nil && sum == f.sum) {
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
	f.keys, f.sum = f.parse(text), sum
	f.log.Info("authorized keys pushed", "keys", len(f.keys))
}

// parse skips lines that it does not accept, so that one bad key does not lock
// out the owners of the others.
func (f *keyFile) parse(text []byte) map[string]bool {
	keys := map[string]bool{}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, err := sshkeys.ParseAuthorized(line)
		if err != nil {
			f.log.Warn("authorized key left out", "line", i+1, "error", err)
			continue
		}
		keys[string(key.Marshal())] = true
	}
	return keys
}
