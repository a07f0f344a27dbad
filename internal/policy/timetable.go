package policy

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"

	devv1 "devserver.io/devserver/api/v1"
)

// IdleAfterStop is how long a server must be idle to be suspended once its
// schedule's stop has passed.
const IdleAfterStop = 15 * time.Minute

// Timetable is a parsed schedule. Its zero value never starts or stops a server.
type Timetable struct {
	start, stop *cron.SpecSchedule
	zone        *time.Location
	source      *devv1.Schedule
}

// Source is the schedule that was parsed; nil for the zero value.
func (t Timetable) Source() *devv1.Schedule { return t.source }

// parser takes the five fields of crontab(5). If both days are restricted, one of
// them suffices, as in crontab(5).
var parser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom)

func parseTimetable(s *devv1.Schedule) (Timetable, error) {
	name := cmp.Or(s.TimeZone, "UTC")
	zone, err := time.LoadLocation(name)
	// "Local" would be the zone of the node that the operator runs on.
	if err != nil || name == "Local" {
		return Timetable{}, fmt.Errorf("timeZone %q is not one of the IANA time zones, such as Europe/Berlin", name)
	}
	t := Timetable{zone: zone, source: s}
	if t.start, err = parseTimes("start", s.Start, zone); err != nil {
		return Timetable{}, err
	}
	if t.stop, err = parseTimes("stop", s.Stop, zone); err != nil {
		return Timetable{}, err
	}
	return t, nil
}

func parseTimes(field, text string, zone *time.Location) (*cron.SpecSchedule, error) {
	if text == "" {
		return nil, nil
	}
	const want = "five fields for minute, hour, day of the month, month and day of the week, such as 0 20 * * 1-5"
	if len(strings.Fields(text)) != 5 || strings.Contains(text, "=") {
		return nil, fmt.Errorf("%s %q must have %s", field, text, want)
	}
	parsed, err := parser.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s %q cannot be read (%w); it must have %s", field, text, err, want)
	}
	times, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("%s %q must have %s", field, text, want)
	}
	times.Location = zone
	if times.Next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("%s %q never occurs", field, text)
	}
	return times, nil
}

// next is the first of the times after now; zero if there is none.
func next(times *cron.SpecSchedule, now time.Time) time.Time {
	if times == nil {
		return time.Time{}
	}
	at := times.Next(now)
	// The library skips a day on which clocks are set back by half an hour, and
	// another one when it looks backwards.
	for earlier := last(times, at.Add(-time.Second)); earlier.After(now); earlier = last(times, at.Add(-time.Second)) {
		at = earlier
	}
	return at
}

// last is the last of the times up to now; zero if there is none.
func last(times *cron.SpecSchedule, now time.Time) time.Time {
	if times == nil {
		return time.Time{}
	}
	at := times.Prev(now.Add(time.Second))
	if at.IsZero() || !changes(times.Location, at, now.Add(24*time.Hour)) {
		return at
	}
	for later := times.Next(at); !later.IsZero() && !later.After(now); later = times.Next(at) {
		at = later // The day before that one.
	}
	return at
}

// changes tells whether the zone's offset differs between two times.
func changes(zone *time.Location, a, b time.Time) bool {
	_, before := a.In(zone).Zone()
	_, after := b.In(zone).Zone()
	return before != after
}

// NextStart is the first start after now; zero if there is none.
func (t Timetable) NextStart(now time.Time) time.Time { return next(t.start, now) }

// NextStop is the first stop after now; zero if there is none.
func (t Timetable) NextStop(now time.Time) time.Time { return next(t.stop, now) }

// StopSince is the stop that is in force at now for a server that was started at
// startedAt: the last one, unless the server or the schedule started it after
// that. Zero if none is.
func (t Timetable) StopSince(startedAt, now time.Time) time.Time {
	stop := last(t.stop, now)
	if !stop.After(startedAt) || last(t.start, now).After(stop) {
		return time.Time{}
	}
	return stop
}

// StartSince is the last start between then and now; zero if there was none.
func (t Timetable) StartSince(then, now time.Time) time.Time {
	if start := last(t.start, now); start.After(then) {
		return start
	}
	return time.Time{}
}
