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

// An update of the agent that waits for the end of all sessions does not wait for
// minutes longer, also if the server's activity is not tracked.
func TestAwaitedSessionsAreAskedForSoon(t *testing.T) {
	w := newWorld(t, Target{Pod: "a"})
	awaits := Target{Pod: "a", AwaitsSessions: true}
	for range 100 {
		if wait := w.first(awaits); wait > ActiveInterval {
			t.Fatalf("the agent is asked after %s", wait)
		}
	}
	w.Watch(key, awaits)
	if again, _ := w.turn(t); again != ActiveInterval {
		t.Errorf("the agent is asked again after %s", again)
	}
}
