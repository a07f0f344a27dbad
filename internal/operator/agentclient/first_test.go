package agentclient

import (
	"testing"

	"devserver.io/devserver/internal/agentapi"
)

// A notice is delivered soon, so that the first login shows it, even if the
// server's activity is not tracked.
func TestNoticeIsDeliveredSoon(t *testing.T) {
	w := newWorld(t, Target{Pod: "a"})
	noticed := Target{Pod: "a", Instructions: agentapi.Instructions{Notice: "This server was interrupted."}}
	for range 100 {
		if wait := w.first(noticed); wait > ActiveInterval {
			t.Fatalf("an agent with a notice is asked after %s", wait)
		}
	}
	for range 100 {
		if w.first(Target{Pod: "a"}) > ActiveInterval {
			return
		}
	}
	t.Error("the agents of servers that are not tracked are all asked at once")
}
