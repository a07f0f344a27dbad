package main

import (
	"runtime"
	"testing"
)

// A thousand boxes have 54 MiB; what more of them use they have twice.
func TestLimitFor(t *testing.T) {
	for _, tc := range []struct{ live, want int64 }{
		{0, 54 << 20},
		{20 << 20, 54 << 20},
		{40 << 20, 70 << 20},
		{200 << 20, 390 << 20},
	} {
		if got := limitFor(tc.live); got != tc.want {
			t.Errorf("with %d bytes in use, the operator may take %d, want %d", tc.live, got, tc.want)
		}
	}
}

// What is to be done after each collection is done after the second one too.
func TestAfterEachCollection(t *testing.T) {
	collected := make(chan struct{})
	afterEachCollection(func() {
		select {
		case collected <- struct{}{}:
		case <-t.Context().Done():
		}
	})
	for range 2 {
		awaitCollected(t, collected)
	}
}

// awaitCollected collects until it is noticed: what is set up while garbage is
// being collected notices the next time.
func awaitCollected(t *testing.T, collected <-chan struct{}) {
	t.Helper()
	for range 1000 {
		runtime.GC()
		select {
		case <-collected:
			return
		default:
			runtime.Gosched()
		}
	}
	t.Fatal("nothing is done after a collection")
}
