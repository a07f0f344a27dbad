package policy

import (
	"strings"
	"testing"
	"time"

	devv1 "devserver.io/devserver/api/v1"
)

func table(t *testing.T, s devv1.Schedule) Timetable {
	t.Helper()
	parsed, err := parseTimetable(&s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestSchedulesRefused(t *testing.T) {
	for text, words := range map[devv1.Schedule]string{
		{Stop: "0 20 * *"}:                             "must have five fields",
		{Stop: "0 0 20 * * *"}:                         "must have five fields",
		{Stop: "@daily"}:                               "must have five fields",
		{Stop: "TZ=UTC 20 * * *"}:                      "must have five fields",
		{Stop: "61 20 * * *"}:                          "cannot be read",
		{Start: "0 8 * * funday"}:                      "cannot be read",
		{Stop: "0 0 30 2 *"}:                           "never occurs",
		{Stop: "0 20 * * *", TimeZone: "Mars/Olympus"}: "not one of the IANA time zones",
		{Stop: "0 20 * * *", TimeZone: "Local"}:        "not one of the IANA time zones",
	} {
		if _, err := parseTimetable(&text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: got %v, want %q", text, err, words)
		}
	}
}

// Clocks are set forward on 2026-03-29, 02:00 to 03:00, and back on 2026-10-25,
// 03:00 to 02:00, in Berlin.
func TestSummerTime(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for name, test := range map[string]struct{ stop, now, next, last string }{
		"winter":           {"30 20 * * *", "2026-01-30T12:00:00Z", "2026-01-30T19:30:00Z", "2026-01-29T19:30:00Z"},
		"summer":           {"30 20 * * *", "2026-07-30T12:00:00Z", "2026-07-30T18:30:00Z", "2026-07-29T18:30:00Z"},
		"over the change":  {"30 20 * * *", "2026-03-28T23:00:00Z", "2026-03-29T18:30:00Z", "2026-03-28T19:30:00Z"},
		"a skipped time":   {"30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z", "2026-03-28T01:30:00Z"},
		"the first of two": {"30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-24T00:30:00Z"},
		"and the second":   {"30 2 * * *", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z"},
	} {
		parsed := table(t, devv1.Schedule{Stop: test.stop, TimeZone: "Europe/Berlin"})
		now := at(test.now)
		if got := next(parsed.stop, now); !got.Equal(at(test.next)) {
			t.Errorf("%s: the next is %s, want %s", name, got.UTC(), test.next)
		}
		if got := last(parsed.stop, now); !got.Equal(at(test.last)) {
			t.Errorf("%s: the last is %s, want %s", name, got.UTC(), test.last)
		}
	}
}

// Every last time was the next time before. On Lord Howe Island, clocks are set
// back by half an hour on 2026-04-05.
func TestNextMeetsLast(t *testing.T) {
	parsed := table(t, devv1.Schedule{Start: "23 8 * * *", TimeZone: "Australia/Lord_Howe"})
	for now := time.Date(2026, time.April, 1, 0, 0, 0, 0, time.UTC); now.Month() == time.April; now = now.Add(time.Hour) {
		at := next(parsed.start, now)
		if before := last(parsed.start, at.Add(-time.Second)); before.After(now) {
			t.Fatalf("at %s, the next is %s; later, the last is %s", now, at.UTC(), before.UTC())
		}
	}
}

// No time between the last and now is skipped, on the day of that change and around
// it.
func TestLastMeetsNext(t *testing.T) {
	for _, text := range []string{"23 8 * * *", "44 16 * * *", "45 1 * * *"} {
		parsed := table(t, devv1.Schedule{Stop: text, TimeZone: "Australia/Lord_Howe"})
		for now := time.Date(2026, time.April, 1, 0, 0, 0, 0, time.UTC); now.Month() == time.April; now = now.Add(time.Hour) {
			at := last(parsed.stop, now)
			if after := next(parsed.stop, at); !after.After(now) {
				t.Fatalf("%s: at %s, the last is %s, and the next after that is %s", text, now, at.UTC(), after.UTC())
			}
		}
	}
}

// A time counts as past from the very moment, and not before.
func TestLastIncludesNow(t *testing.T) {
	parsed := table(t, devv1.Schedule{Start: "0 12 * * *", Stop: "0 20 * * *"})
	for before, want := range map[time.Duration]time.Time{
		time.Millisecond: ago(24 * time.Hour), time.Second: ago(24 * time.Hour), 0: noon, -time.Millisecond: noon,
	} {
		if got := last(parsed.start, ago(before)); !got.Equal(want) {
			t.Errorf("%s before noon, the last noon is %s, want %s", before, got, want)
		}
	}
}

// If both days are restricted, one of them suffices, as in crontab(5).
func TestDays(t *testing.T) {
	parsed := table(t, devv1.Schedule{Stop: "0 20 15 * 1"})
	got := next(parsed.stop, noon)
	if want := time.Date(2026, time.February, 2, 20, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %s, want the Monday %s", got, want)
	}
}
