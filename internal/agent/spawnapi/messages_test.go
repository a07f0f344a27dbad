package spawnapi

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"devserver.io/devserver/internal/agentapi"
)

// TestMessages has every field of the protocol, as the first version sent it. Never change
// or remove a line, because the other program can be older or newer.
func TestMessages(t *testing.T) {
	idle := agentapi.Signal{Name: "cpu", IdleSeconds: 1.5, Value: "CPU 1%"}
	for text, message := range map[string]any{
		`{"version":1,"relay":true,"start":{"account":"dev","kind":"exec","command":"bHM=","env":["QT1i"],"agentSocket":true,"terminal":{"size":{"columns":80,"rows":24,"width":1,"height":2},"modes":"AA=="}}}`: Request{
			Version: 1, Relay: true, Start: &Start{
				Account: "dev", Kind: KindExec, Command: []byte("ls"), Env: [][]byte{[]byte("A=b")}, AgentSocket: true,
				Terminal: &Terminal{Size: Size{80, 24, 1, 2}, Modes: []byte{0}},
			},
		},
		`{"version":1,"listen":{"account":"dev","network":"tcp","port":8080,"path":"L3g="}}`:                                Request{Version: 1, Listen: &Listen{"dev", NetworkTCP, 8080, []byte("/x")}},
		`{"version":1,"dial":{"account":"root","path":"L3g="}}`:                                                             Request{Version: 1, Dial: &Dial{"root", []byte("/x")}},
		`{"version":1,"report":{"thresholds":{"cpuMillis":1},"refresh":true}}`:                                              Request{Version: 1, Report: &ReportRequest{&agentapi.Thresholds{CPUMillis: 1}, true}},
		`{"version":1,"attach":{"stream":7}}`:                                                                               Request{Version: 1, Attach: &Attach{7}},
		`{"version":1,"probe":{}}`:                                                                                          Request{Version: 1, Probe: &Probe{}},
		`{"version":1,"refused":{"code":126,"text":"no"}}`:                                                                  Reply{Version: 1, Refused: &Refusal{126, "no"}},
		`{"version":1,"greeting":"hi","warning":"oh","port":1,"agentSocket":"/s","relayed":true,"streams":[1,2],"files":1}`: Reply{Version: 1, Greeting: "hi", Warning: "oh", Port: 1, AgentSocket: "/s", Relayed: true, Streams: []uint64{1, 2}, Files: 1},
		`{"version":1,"report":{"version":"v1","fresh":true,"upSeconds":2,"signals":[{"name":"cpu","idleSeconds":1.5,"value":"CPU 1%"}],"oomKills":3,"home":{"sizeBytes":4,"freeBytes":5},"resources":{"gpus":6},"stopping":true}}`: Reply{
			Version: 1, Report: &Report{
				Version: "v1", Fresh: true, UpSeconds: 2, Signals: []agentapi.Signal{idle}, OOMKills: 3,
				Home: &agentapi.Room{SizeBytes: 4, FreeBytes: 5}, Resources: agentapi.Resources{GPUs: 6}, Stopping: true,
			},
		},
		`{"signal":15}`:                     Control{Signal: 15},
		`{"size":{"columns":80,"rows":24}}`: Control{Size: &Size{Columns: 80, Rows: 24}},
		`{"break":true}`:                    Control{Break: true},
		`{"hangUp":true}`:                   Control{HangUp: true},
		`{"code":7}`:                        Exit{Code: 7},
		`{"code":0,"signal":9,"core":true,"message":"x"}`: Exit{Signal: 9, Core: true, Message: "x"},
		`{"stream":9}`: Accepted{9},
	} {
		got, err := json.Marshal(message)
		if err != nil || string(got) != text {
			t.Errorf("got  %s, %v\nwant %s", got, err, text)
		}
	}
}

// TestUnknownFieldsAreIgnored shows that a newer program may send more.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	from, to := pair(t)
	if err := from.Send(map[string]any{"version": 2, "future": true, "start": map[string]any{"kind": "shell", "future": []int{1}}}); err != nil {
		t.Fatal(err)
	}
	var got Request
	if _, err := to.Receive(&got, MaxRequest); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Request{Version: 2, Start: &Start{Kind: KindShell}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
