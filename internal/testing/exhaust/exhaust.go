// Package exhaust measures, for tests, what a program takes while clients try to exhaust
// its memory.
package exhaust

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// HeapInUse is the memory of the heap in bytes, without garbage.
func HeapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// Settles waits until counter, of bytes that clients could send, is positive and stays the
// same for a second.
func Settles(t testing.TB, counter *atomic.Int64) {
	t.Helper()
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for last, same := int64(-1), 0; same < 10; same++ {
		select {
		case <-pace.C:
		case <-t.Context().Done():
			t.Fatal("the test was over before")
		}
		if now := counter.Load(); now != last || now == 0 {
			last, same = now, 0
		}
	}
}
