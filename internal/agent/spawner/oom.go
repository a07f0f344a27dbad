package spawner

import (
	"sync"
	"time"
)

// oomWatch tells whether the kernel has just killed a process because memory ran out. The
// kernel only counts such kills, so this is the best guess of why a process got SIGKILL.
type oomWatch struct {
	// kills returns the kernel's count.
	kills func() int64

	mu    sync.Mutex
	last  int64
	since time.Time // when a higher count was seen that explains no process yet
}

// oomRecent is how long a kill can explain the end of a process: the kernel frees the
// memory of a large one before the process ends.
const oomRecent = 5 * time.Second

// look reads the count, so that older kills explain nothing later.
func (w *oomWatch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if count := w.kills(); count > w.last {
		w.last, w.since = count, time.Now()
	}
}

// explains reports whether a process that has ended now was killed because memory ran out.
// Each kill explains one process.
func (w *oomWatch) explains() bool {
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	recent := !w.since.IsZero() && time.Since(w.since) < oomRecent
	w.since = time.Time{}
	return recent
}
