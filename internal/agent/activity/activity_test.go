package activity

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fakeClock is stepped by its test.
type fakeClock struct{ now time.Duration }

func (c *fakeClock) read() time.Duration { return c.now }

// pass lets time pass, and calls do, if it is not nil, and then sample every 15 seconds of
// it.
func (c *fakeClock) pass(during time.Duration, do, sample func()) {
	for end := c.now + during; c.now < end; {
		c.now += 15 * time.Second
		if do != nil {
			do()
		}
		sample()
	}
}

// write creates a file, and its folder if that does not exist.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLatch(t *testing.T) {
	var l latch
	if age := l.age(time.Hour); age >= 0 {
		t.Errorf("never: got an age of %v, want a negative one", age)
	}
	l.set(0) // The first moment is not never.
	if age := l.age(time.Minute); age < 0 || age > time.Minute {
		t.Errorf("at 0: got an age of %v", age)
	}
	l.set(time.Hour)
	if age := l.age(time.Hour + time.Second); age != time.Second {
		t.Errorf("got %v", age)
	}
	// Two goroutines may read the clock in one order and store in the other.
	if age := l.age(time.Minute); age != 0 {
		t.Errorf("in the future: got an age of %v, want 0", age)
	}
}

func TestAgo(t *testing.T) {
	for age, want := range map[time.Duration]string{
		0:                       "0s ago",
		59 * time.Second:        "59s ago",
		60 * time.Second:        "1m ago",
		59 * time.Minute:        "59m ago",
		125 * time.Minute:       "2h5m ago",
		50 * time.Hour:          "50h0m ago",
		1500 * time.Microsecond: "0s ago",
	} {
		if got := ago(age); got != want {
			t.Errorf("%v: got %q, want %q", age, got, want)
		}
	}
}

func TestPace(t *testing.T) {
	type step struct {
		at    time.Duration
		count int64
		rise  int64
		in    time.Duration
	}
	const s = time.Second
	for name, steps := range map[string][]step{
		"a single reading":     {{0, 500, 0, 0}},
		"less than the span":   {{0, 500, 0, 0}, {15 * s, 600, 100, 15 * s}, {30 * s, 600, 100, 30 * s}},
		"only the span counts": {{0, 0, 0, 0}, {30 * s, 100, 100, 30 * s}, {60 * s, 100, 100, 60 * s}, {90 * s, 100, 0, 60 * s}},
		"at least the span":    {{0, 0, 0, 0}, {50 * s, 10, 10, 50 * s}, {100 * s, 30, 30, 100 * s}, {150 * s, 60, 50, 100 * s}},
		"a fall is not a rise": {{0, 1000, 0, 0}, {15 * s, 10, 0, 15 * s}, {30 * s, 30, 20, 30 * s}},
		"a gap counts in full": {{0, 0, 0, 0}, {600 * s, 600, 600, 600 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			p := pace{span: time.Minute}
			for _, step := range steps {
				p.add(step.at, step.count)
				if rise, in := p.rise(); rise != step.rise || in != step.in {
					t.Errorf("at %v: got %d in %v, want %d in %v", step.at, rise, in, step.rise, step.in)
				}
			}
		})
	}
}

// TestPaceForgets shows that frequent readings take bounded memory.
func TestPaceForgets(t *testing.T) {
	p := pace{span: time.Minute}
	for i := range 10000 {
		p.add(time.Duration(i)*time.Second, int64(i))
	}
	if n := len(p.readings); n > 62 {
		t.Errorf("got %d readings, want at most 62", n)
	}
}
