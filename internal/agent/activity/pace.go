package activity

import "time"

// pace measures how fast a counter rises: over the last span, or since the first
// reading if that is less.
type pace struct {
	span     time.Duration
	readings []reading // oldest first
	last     int64     // the counter at the last reading
}

type reading struct {
	at    time.Duration
	total int64 // the rise since the first reading
}

// add adds a reading. If the counter has fallen, because it no longer includes some
// processes, it has not risen.
func (p *pace) add(at time.Duration, count int64) {
	var total int64
	if n := len(p.readings); n > 0 {
		total = p.readings[n-1].total + max(count-p.last, 0)
	}
	p.last = count
	p.readings = append(p.readings, reading{at, total})
	old := 0
	for old+1 < len(p.readings) && at-p.readings[old+1].at >= p.span {
		old++
	}
	p.readings = append(p.readings[:0], p.readings[old:]...)
}

// rise returns by how much the counter has risen, and in what time. The time is 0
// if there are fewer than two readings.
func (p *pace) rise() (count int64, in time.Duration) {
	if len(p.readings) == 0 {
		return 0, 0
	}
	first, last := p.readings[0], p.readings[len(p.readings)-1]
	return last.total - first.total, last.at - first.at
}
