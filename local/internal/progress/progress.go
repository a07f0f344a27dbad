// Package progress shows the progress of long work: on a terminal in one line that is
// updated, elsewhere in one line every ten seconds. Several steps can run at once.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Reporter shows steps on a stream. Meanwhile nothing else may write to the stream.
type Reporter struct {
	out   io.Writer
	live  bool
	width int
	every time.Duration
	// Verbose also shows steps shorter than brief.
	Verbose bool

	mu     sync.Mutex
	active []*Step
	stop   chan struct{}
	done   chan struct{}
}

// Step is one piece of work.
type Step struct {
	r       *Reporter
	name    string
	detail  string
	started time.Time
	shown   time.Time
}

// brief is the duration below which a finished step is not shown.
const brief = 300 * time.Millisecond

// New returns a reporter for a stream. On a terminal it uses the whole width.
func New(out *os.File) *Reporter {
	r := &Reporter{out: out, every: 10 * time.Second}
	if size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ); err == nil && os.Getenv("TERM") != "dumb" {
		r.live, r.every, r.width = true, 200*time.Millisecond, int(size.Col)
	}
	return r
}

// Say prints a line that stays.
func (r *Reporter) Say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.print(fmt.Sprintf(format, args...))
}

// Start begins a step.
func (r *Reporter) Start(name string) *Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	s := &Step{r: r, name: name, started: now, shown: now}
	r.active = append(r.active, s)
	if r.stop == nil {
		r.stop, r.done = make(chan struct{}), make(chan struct{})
		go r.tick(r.stop, r.done)
	}
	return s
}

// Update sets the detail of the step, such as how much is done.
func (s *Step) Update(format string, args ...any) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.detail = fmt.Sprintf(format, args...)
}

// End finishes the step, and prints its duration or that it failed.
func (s *Step) End(err error) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	for i, other := range s.r.active {
		if other == s {
			s.r.active = append(s.r.active[:i], s.r.active[i+1:]...)
			break
		}
	}
	took := time.Since(s.started)
	switch {
	case err != nil:
		s.r.print(fmt.Sprintf("  %-34s failed after %s", s.name, Duration(took)))
	case took >= brief || s.r.Verbose:
		s.r.print(fmt.Sprintf("  %-34s %s", s.name, Duration(took)))
	}
	if len(s.r.active) == 0 {
		s.r.clear()
	}
}

// Close stops updating the line.
func (r *Reporter) Close() {
	r.mu.Lock()
	stop, done := r.stop, r.done
	r.stop = nil
	r.mu.Unlock()
	if stop != nil {
		close(stop)
		<-done
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
}

func (r *Reporter) tick(stop, done chan struct{}) {
	defer close(done)
	ticker := time.NewTicker(min(r.every, time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			r.mu.Lock()
			r.show(now)
			r.mu.Unlock()
		}
	}
}

func (r *Reporter) show(now time.Time) {
	var texts []string
	for _, s := range r.active {
		if r.live {
			texts = append(texts, s.text(now))
		} else if now.Sub(s.shown) >= r.every {
			s.shown = now
			fmt.Fprintf(r.out, "  ... %s\n", s.text(now))
		}
	}
	if !r.live || len(texts) == 0 {
		return
	}
	line := []rune("  " + strings.Join(texts, "  |  "))
	if r.width > 1 && len(line) > r.width-1 {
		line = line[:r.width-1]
	}
	fmt.Fprintf(r.out, "\r\x1b[K%s", string(line))
}

func (s *Step) text(now time.Time) string {
	text := s.name
	if s.detail != "" {
		text += ": " + s.detail
	}
	return text + ", " + Duration(now.Sub(s.started))
}

func (r *Reporter) print(line string) {
	r.clear()
	fmt.Fprintln(r.out, line)
}

func (r *Reporter) clear() {
	if r.live {
		fmt.Fprint(r.out, "\r\x1b[K")
	}
}

// Duration rounds a duration for display.
func Duration(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
