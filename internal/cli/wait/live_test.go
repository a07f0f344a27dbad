package wait

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/hostile"
)

func TestScreenShowsStagesTimesAndTheCause(t *testing.T) {
	start := time.Unix(1000, 0)
	w := &waiter{progress: newProgress(start)}
	w.progress.update(observed{devServer: starting()}, start)
	stuck := server(devserverv1.PhasePending, devserverv1.ReasonUnschedulable, "No node can take the pod: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu")
	w.progress.update(observed{devServer: stuck, pod: pod("")}, start.Add(time.Second))
	s := &screen{waiter: w, now: start.Add(2500 * time.Millisecond), width: 72}
	want := `✓ accepted        already  flavor small
! scheduled          2.5s  Unschedulable: No node can take the pod: 0/3
                           nodes are available: 3 Insufficient
                           nvidia.com/gpu
· home attached
· image ready
· started
· SSH answers
`
	if diff := cmp.Diff(want, trimLines(ansi.Strip(s.View().Content))); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}
}

func TestNoStageAttacksTheTerminal(t *testing.T) {
	start := time.Unix(1000, 0)
	w := &waiter{progress: newProgress(start)}
	stuck := server(devserverv1.PhasePending, devserverv1.ReasonUnschedulable, hostile.Text)
	stuck.Status.Flavor = hostile.Text
	scheduled := pod(hostile.Text)
	w.progress.update(observed{devServer: stuck, pod: scheduled}, start)
	drawn := (&screen{waiter: w, now: start, width: 2000}).View().Content
	if !strings.Contains(drawn, "title") {
		t.Errorf("the screen shows only %q", drawn)
	}
	for _, fault := range hostile.Faults(ansi.Strip(drawn), "") {
		t.Error(fault)
	}
	if strings.Contains(drawn, "\x1b]") || strings.Contains(drawn, "title\x07") {
		t.Errorf("the screen sets the title: %q", drawn)
	}
}

// trimLines drops the blanks at the ends of lines, which nobody sees.
func trimLines(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.Join(lines, "\n")
}
