package progress

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func reporter() (*Reporter, *bytes.Buffer) {
	var out bytes.Buffer
	return &Reporter{out: &out, every: 10 * time.Second}, &out
}

func TestPlainOutputHasALineEveryTenSeconds(t *testing.T) {
	r, out := reporter()
	defer r.Close()
	s := r.Start("build node")
	s.Update("12 of 3465 packages compiled")
	for second := range 25 {
		r.mu.Lock()
		r.show(s.started.Add(time.Duration(second) * time.Second))
		r.mu.Unlock()
	}
	want := "  ... build node: 12 of 3465 packages compiled, 10s\n  ... build node: 12 of 3465 packages compiled, 20s\n"
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out, want)
	}
}

func TestBriefStepsAreSilentUnlessTheyFail(t *testing.T) {
	r, out := reporter()
	defer r.Close()
	r.Start("quick").End(nil)
	if out.Len() > 0 {
		t.Errorf("got %q", out)
	}
	r.Start("broken").End(errors.New("x"))
	if !strings.Contains(out.String(), "broken") || !strings.Contains(out.String(), "failed") {
		t.Errorf("got %q", out)
	}
	r.Verbose = true
	r.Start("quick").End(nil)
	if !strings.Contains(out.String(), "quick") {
		t.Errorf("got %q", out)
	}
}

func TestLineFitsTerminal(t *testing.T) {
	r, out := reporter()
	defer r.Close()
	r.live, r.width = true, 20
	s := r.Start("a step whose name is longer than the line")
	r.mu.Lock()
	r.show(s.started)
	r.mu.Unlock()
	if line := strings.TrimPrefix(out.String(), "\r\x1b[K"); len(line) != 19 {
		t.Errorf("%d columns: %q", len(line), line)
	}
}
