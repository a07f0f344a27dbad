package localtime

import (
	"testing"
	"time"
)

func TestSentence(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"Idle since 2026-01-30 23:30 UTC; suspends at 2026-07-31 01:30 UTC.": "Idle since 2026-01-31 00:30 CET; suspends at 2026-07-31 03:30 CEST.",
		"No time, and 2026-99-99 99:99 UTC is none.":                         "No time, and 2026-99-99 99:99 UTC is none.",
	} {
		if got := Sentence(text, berlin); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
