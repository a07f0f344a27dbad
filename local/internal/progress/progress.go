// Package progress shows long work to a person: on a terminal one line that is
// kept up to date, elsewhere a plain line every ten seconds. Work may go on in
// several steps at once.
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

// Reporter shows steps on a stream, which must be free of other output meanwhile.
type Reporter struct {
	out   io.Writer
	live  bool
	width int
	every time.Duration
	// Verbose shows steps that took no time worth a line, too.
	Verbose bool

	mu     sync.Mutex
	active []*Step
	stop   chan struct{}
	done   chan struct{}
}

// Step is one piece of work under way.
type Step struct {
	r       *Reporter
	name    string
	detail  string
	started time.Time
	shown   time.Time
}

// brief is the duration below which a step is not worth a line of its own.
const brief = 300 * time.Millisecond

// New reports to a stream; on a terminal it uses the whole width.
func New(out *os.File) *Reporter {
	r := &Reporter{out: out, every: 10 * time.Second}
	if size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ); err == nil && os.Getenv("TERM") != "dumb" {
		r.live, r.every, r.width = true, 200*time.Millisecond, int(size.Col)
	}
	return r
}

// Say prints a line for good.
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

// Update says how far the step is.
func (s *Step) Update(format string, args ...any) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.detail = fmt.Sprintf(format, args...)
}

// End finishes the step: with its duration, or as failed.
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

// Close stops showing.
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

// Duration rounds to what a person wants to know.
func Duration(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
