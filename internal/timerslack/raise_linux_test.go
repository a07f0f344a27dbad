package timerslack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// asProgram has this test's program be one that raises its slack.
const asProgram = "TIMERSLACK_TEST_SLACK"

func TestMain(m *testing.M) {
	if text := os.Getenv(asProgram); text != "" {
		program(text)
		return
	}
	os.Exit(m.Run())
}

// program says how often it is started, with what, and the slack of its threads.
func program(text string) {
	fmt.Println("started", os.Args[1:])
	slack, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	Raise(slack)
	fmt.Println("marked", os.Getenv(raised))
	tasks, _ := filepath.Glob("/proc/self/task/*")
	for _, task := range tasks {
		nanoseconds, err := os.ReadFile(filepath.Join("/proc", filepath.Base(task), "timerslack_ns"))
		if err == nil { // Those of other threads are for root to see.
			fmt.Println("slack", strings.TrimSpace(string(nanoseconds)))
		}
	}
}

// All threads have the slack, also the one that Go starts before main, after the
// program was executed once more, with what it was started with.
func TestRaise(t *testing.T) {
	ours, err := os.ReadFile("/proc/self/timerslack_ns")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		slack  string
		starts int
		want   string
	}{
		"longer":  {"7ms", 2, "slack 7000000"},
		"shorter": {"1ns", 1, "slack " + strings.TrimSpace(string(ours))},
	} {
		command := exec.CommandContext(t.Context(), os.Args[0], "an argument", "another")
		command.Env = append(os.Environ(), asProgram+"="+tc.slack)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		began := slices.Repeat([]string{"started [an argument another]"}, tc.starts)
		if !slices.Equal(lines[:tc.starts], began) || lines[tc.starts] != "marked " {
			t.Errorf("%s: not started %d times, and left as it was:\n%s", name, tc.starts, out)
		}
		threads := lines[tc.starts+1:]
		if os.Geteuid() == 0 && len(threads) < 2 {
			t.Errorf("%s: the slack of %d threads was seen:\n%s", name, len(threads), out)
		}
		for _, line := range threads {
			if line != tc.want {
				t.Errorf("%s: %s, want %s", name, line, tc.want)
			}
		}
	}
}
