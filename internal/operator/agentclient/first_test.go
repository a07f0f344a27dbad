package agentclient

import (
	"testing"

	"devserver.io/devserver/internal/agentapi"
)

// What people are to read at login is there when they come, also in a box that
// is asked seldom.
func TestNoticeIsToldAtOnce(t *testing.T) {
	w := newWorld(t, Target{Pod: "a"})
	told := Target{Pod: "a", Instructions: agentapi.Instructions{Notice: "This server was interrupted."}}
	for range 100 {
		if wait := w.first(told); wait > ActiveInterval {
			t.Fatalf("a box with a notice is asked after %s", wait)
		}
	}
	for range 100 {
		if w.first(Target{Pod: "a"}) > ActiveInterval {
			return
		}
	}
	t.Error("boxes that nothing depends on are all asked at once")
}
