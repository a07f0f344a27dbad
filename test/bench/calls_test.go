package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func readAudit(t *testing.T, lines string) []auditEvent {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := openAudit(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.file.Close() })
	// One line is written in two parts.
	for _, part := range []string{lines[:len(lines)/2], lines[len(lines)/2:]} {
		log, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.WriteString(part); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if err := a.read(); err != nil {
			t.Fatal(err)
		}
	}
	return a.all
}

// Leases, events and the lists that fill caches are counted separately. A list in one
// namespace is a read.
func TestCallsAreSortedIntoKinds(t *testing.T) {
	got := tallied(readAudit(t, `{"stage":"ResponseStarted","verb":"watch","objectRef":{"resource":"pods"}}
{"stage":"ResponseComplete","verb":"patch","stageTimestamp":"2026-11-23T10:00:01.000001Z","objectRef":{"resource":"statefulsets","namespace":"a","name":"x"},"responseStatus":{"code":201}}
{"stage":"ResponseComplete","verb":"patch","stageTimestamp":"2026-11-23T10:00:03.000001Z","objectRef":{"resource":"statefulsets","namespace":"a","name":"y"},"responseStatus":{"code":201}}
{"stage":"ResponseComplete","verb":"patch","stageTimestamp":"2026-11-23T10:00:04.000001Z","objectRef":{"resource":"devservers","subresource":"status","namespace":"a","name":"y"},"responseStatus":{"code":409}}
{"stage":"ResponseComplete","verb":"delete","objectRef":{"resource":"pods","namespace":"a","name":"y-0"},"responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"get","objectRef":{"resource":"services","namespace":"a","name":"y-ssh"},"responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"list","objectRef":{"resource":"events","namespace":"a"},"responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"list","objectRef":{"resource":"pods"},"responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"watch","objectRef":{"resource":"pods"},"responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"get","requestURI":"/apis","responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"get","objectRef":{"resource":"leases","namespace":"s","name":"l"},"responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"update","objectRef":{"resource":"leases","namespace":"s","name":"l"},"responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"create","objectRef":{"resource":"events","namespace":"s"},"responseStatus":{"code":201}}
`))
	for what, tc := range map[string]struct {
		got  callCount
		want string
		sum  int
	}{
		"writes":  {got.writes, "delete pods 0.5, patch devservers/status: 409 0.5, patch statefulsets 1", 4},
		"reads":   {got.reads, "get /apis 0.5, get services 0.5, list events 0.5", 3},
		"watches": {got.watches, "list pods 0.5, watch pods 0.5", 2},
		"leases":  {got.leases, "get leases 0.5, update leases 0.5", 2},
		"events":  {got.events, "create events 0.5", 1},
	} {
		if note := tc.got.note(2); note != tc.want || tc.got.sum() != tc.sum {
			t.Errorf("%s: %d, for one of two servers %s; want %d, %s", what, tc.got.sum(), note, tc.sum, tc.want)
		}
	}
	if got.writing != 4 || got.reading != 3 {
		t.Errorf("%d writes and %d reads; want 4 and 3", got.writing, got.reading)
	}
	if s := got.written.UTC().Format("05"); s != "03" {
		t.Errorf("the last StatefulSet was written at second %s; want 03", s)
	}
}

func TestAuditEventsKeepTheirTime(t *testing.T) {
	var e auditEvent
	if err := json.Unmarshal([]byte(`{"stageTimestamp":"2026-11-23T10:00:01.5Z"}`), &e); err != nil || e.At.Nanosecond() != 5e8 {
		t.Errorf("the time is %v, %v", e.At, err)
	}
}

// The API server may be in the middle of a line when the measurement begins.
func TestAuditBeginsWithAWholeLine(t *testing.T) {
	const before, line = `{"verb":"before"}`, `{"stage":"ResponseComplete","verb":"patch"}` + "\n"
	for name, written := range map[string]string{"nothing": "", "a line": before + "\n", "part of one": before + "\n" + before[:5], "all but its end": before} {
		path := filepath.Join(t.TempDir(), "audit.log")
		log, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		write := func(text string) {
			t.Helper()
			if _, err := log.WriteString(text); err != nil {
				t.Fatal(err)
			}
		}
		write(written)
		a, err := openAudit(path)
		if err != nil {
			t.Fatal(err)
		}
		switch name {
		case "part of one":
			write(before[5:] + "\n")
		case "all but its end":
			write("\n")
		}
		for range 2 {
			write(line)
			if err := a.read(); err != nil {
				t.Errorf("after %s: %v", name, err)
			}
		}
		if len(a.all) != 2 {
			t.Errorf("after %s: %d events, want 2", name, len(a.all))
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}
