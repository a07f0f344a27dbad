package sshpolicy

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// stream is a stream of a channel: what arrives on it is read until end is called.
type stream struct {
	chunks chan []byte
	rest   []byte
}

func (s *stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		chunk, ok := <-s.chunks
		if !ok {
			return 0, io.EOF
		}
		s.rest = chunk
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// arrive lets n bytes arrive at a connection, once it may read, and returns whether it
// may.
func arrive(t *testing.T, i *Intake, n int) bool {
	t.Helper()
	allowed := make(chan error, 1)
	go func() { allowed <- i.before(n) }()
	synctest.Wait()
	select {
	case err := <-allowed:
		if err != nil {
			t.Fatal(err)
		}
		i.after(n)
		return true
	default:
		return false
	}
}

func TestIntakePausesAConnectionThatIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(1000, 1000)
		i, other := NewIntake(budget, "a"), NewIntake(budget, "b")
		defer i.Close()
		defer other.Close()
		r := newReader(i, &stream{chunks: make(chan []byte)})
		newReader(other, &stream{})
		for range 5 {
			if !arrive(t, i, 100) {
				t.Fatal("paused too early")
			}
		}
		// It holds 500 bytes, and 500 are free.
		if !arrive(t, i, 100) || arrive(t, i, 100) {
			t.Error("not paused although it holds more than is free")
		}
		if !arrive(t, other, 300) {
			t.Error("a connection that holds nothing is paused")
		}
		if used := budget.used; used != 900 {
			t.Errorf("%d bytes are in use, want 900", used)
		}
		// The reader catches up: everything that has arrived is read.
		go func() { _, _ = r.Read(make([]byte, 10)) }()
		<-time.After(2 * calmTime) // by the clock of the bubble
		if !arrive(t, i, 100) || budget.used != 400 {
			t.Errorf("%d bytes are in use, want 400", budget.used)
		}
		close(r.from.(*stream).chunks)
	})
}

// Bytes of a channel that is read do not count, while another is not read.
func TestIntakeCreditsWhatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(10_000, 10_000)
		i := NewIntake(budget, "a")
		defer i.Close()
		newReader(i, &stream{}) // is never read
		active := &stream{chunks: make(chan []byte, 1)}
		r := newReader(i, active)
		for range 1000 {
			active.chunks <- make([]byte, 1000)
			if !arrive(t, i, 1000+packetOverhead) {
				t.Fatalf("paused with %d bytes", i.unread)
			}
			if _, err := r.Read(make([]byte, 2000)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A reader that begins to read has not read what has arrived while it was busy.
func TestIntakeRemembersWhatABusyReaderHasNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := NewIntake(NewBudget(1000, 1000), "a")
		defer i.Close()
		from := &stream{chunks: make(chan []byte, 2)}
		r := newReader(i, from)
		from.chunks <- make([]byte, 10)
		if !arrive(t, i, 10+packetOverhead) {
			t.Fatal("paused although it holds nothing")
		}
		_, _ = r.Read(make([]byte, 100)) // It is now busy for long, and has read all.
		from.chunks <- make([]byte, 600)
		if !arrive(t, i, 600+packetOverhead) {
			t.Fatal("paused although it holds nothing")
		}
		<-time.After(2 * calmTime) // by the clock of the bubble
		_, _ = r.Read(make([]byte, 1))
		if arrive(t, i, 1) {
			t.Error("bytes are forgotten that nothing has read")
		}
	})
}

// A connection that is paused goes on when another connection of the user has made room.
func TestIntakeGoesOnWhenAnotherConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(1000, 1000)
		i, other := NewIntake(budget, "a"), NewIntake(budget, "a")
		defer i.Close()
		newReader(i, &stream{})
		newReader(other, &stream{})
		if !arrive(t, other, 700) || !arrive(t, i, 200) || arrive(t, i, 1) {
			t.Fatal("not paused although it holds more than is free")
		}
		other.Close()
		<-time.After(2 * calmTime) // by the clock of the bubble
		if !arrive(t, i, 1) {
			t.Error("paused although there is room")
		}
	})
}

func TestIntakeWhileAWriteIsBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := NewIntake(NewBudget(1000, 1000), "a")
		defer i.Close()
		i.Work()
		if !arrive(t, i, 600) || arrive(t, i, 1) {
			t.Error("what arrives while the client reads nothing does not count")
		}
		i.Rest()
		<-time.After(2 * calmTime) // by the clock of the bubble
		if !arrive(t, i, 1) {
			t.Error("paused although nothing is held")
		}
	})
}

func TestIntakeWhileARequestIsHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := NewIntake(NewBudget(1000, 1000), "a")
		defer i.Close()
		requests, handling := make(chan int, 1), make(chan struct{})
		go Each(i, requests, func(int) { <-handling })
		requests <- 1
		synctest.Wait()
		if !arrive(t, i, 600) || arrive(t, i, 1) {
			t.Error("what arrives while a request is handled does not count")
		}
		close(handling)
		<-time.After(2 * calmTime) // by the clock of the bubble
		if !arrive(t, i, 1) {
			t.Error("paused although all requests are handled")
		}
		close(requests)
	})
}

// ended is a stream that its client has ended, and to which it sends more.
type ended struct{ more bool }

func (e *ended) Read(p []byte) (int, error) {
	if e.more && len(p) > 0 {
		return 1, nil
	}
	return 0, io.EOF
}

func TestIntakeRefusesDataAfterTheEnd(t *testing.T) {
	i := NewIntake(NewBudget(1<<30, 1<<30), "a")
	from := &ended{}
	r := newReader(i, from)
	_, _ = r.Read(make([]byte, 1))
	i.after(sweepBytes)
	if err := i.before(1); err != nil {
		t.Fatal(err)
	}
	from.more = true
	i.after(sweepBytes)
	if err := i.before(1); !errors.Is(err, errAfterEnd) {
		t.Errorf("got %v", err)
	}
	r.forget()
	i.after(sweepBytes)
	if err := i.before(1); err != nil {
		t.Errorf("a channel that the client has closed is still watched: %v", err)
	}
	i.Close()
}

func TestIntakeCountsLargePackets(t *testing.T) {
	budget := NewBudget(300<<10, 200<<10)
	i := NewIntake(budget, "a")
	for range 2 {
		if err := i.before(maxPacket + 100<<10); err != nil {
			t.Fatal(err)
		}
	}
	if budget.used != 100<<10 {
		t.Errorf("%d bytes are counted, want %d", budget.used, 100<<10)
	}
	if err := NewIntake(budget, "a").before(maxPacket + 101<<10); !errors.Is(err, errLargePacket) {
		t.Errorf("a second connection: %v", err)
	}
	i.Close()
	if budget.used != 0 || len(budget.by) != 0 {
		t.Errorf("%d bytes are counted after the end", budget.used)
	}
	var none *Intake
	if err := none.before(maxPacket + 1); !errors.Is(err, errLargePacket) {
		t.Errorf("before the login: %v", err)
	}
}

// fakeChannel counts what is discarded.
type fakeChannel struct {
	ssh.Channel
	stream
	errors stream
	closed bool
}

func (f *fakeChannel) Read(p []byte) (int, error) { return f.stream.Read(p) }
func (f *fakeChannel) Close() error               { f.closed = true; return nil }
func (f *fakeChannel) Stderr() io.ReadWriter      { return errorStream{&f.errors} }

type errorStream struct{ *stream }

func (errorStream) Write([]byte) (int, error) { return 0, io.EOF }

// A channel that the server has closed is read until the client has closed it.
func TestClosedChannelIsDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := NewIntake(NewBudget(1000, 1000), "a")
		defer i.Close()
		fake := &fakeChannel{stream: stream{chunks: make(chan []byte)}, errors: stream{chunks: make(chan []byte)}}
		requests := make(chan *ssh.Request)
		c, err := i.channel(fake, requests, nil)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			c.Serve(Refuse)
		}()
		if err := c.Close(); err != nil || !fake.closed {
			t.Fatal(err)
		}
		for range 100 {
			fake.stream.chunks <- make([]byte, 100)
			fake.errors.chunks <- make([]byte, 100)
			if !arrive(t, i, 200+2*packetOverhead) {
				t.Fatal("the connection is paused")
			}
		}
		close(fake.stream.chunks)
		close(fake.errors.chunks)
		close(requests)
		<-served
		synctest.Wait()
		if i.busy != 0 || len(i.ended) != 0 {
			t.Errorf("%d readers are busy, %d streams are watched, want none", i.busy, len(i.ended))
		}
	})
}

// writer is the client's side of a connection. While keys are exchanged, package ssh
// queues what is written to channels.
type writer struct {
	intake    *Intake
	exchanges bool
	queued    int
}

func (w *writer) Write(p []byte) (int, error) {
	if w.exchanges {
		w.queued += len(p)
	} else {
		w.intake.wrote(len(p) + packetOverhead)
	}
	return len(p), nil
}

func (w *writer) finishExchange() {
	w.exchanges = false
	w.intake.wrote(w.queued)
	w.queued = 0
}

// A client that begins a key exchange and does not finish it cannot make the server queue
// more than a little.
func TestIntakeLimitsWhatWaitsForAKeyExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := NewIntake(NewBudget(1000, 1000), "a")
		defer i.Close()
		w := &writer{intake: i}
		const all = 4 << 20
		write := func() <-chan int {
			done := make(chan int, 1)
			go func() {
				n, _ := i.write(w, make([]byte, all))
				done <- n
			}()
			synctest.Wait()
			return done
		}
		if n := <-write(); n != all || i.queued != 0 {
			t.Fatalf("wrote %d bytes, %d are queued, without a key exchange", n, i.queued)
		}
		w.exchanges = true
		done := write()
		if most := maxQueued + packetData; w.queued == 0 || w.queued > most {
			t.Errorf("%d bytes are queued, want at most %d", w.queued, most)
		}
		w.finishExchange()
		if n := <-done; n != all || i.queued != 0 {
			t.Errorf("wrote %d bytes, %d are queued, after the key exchange", n, i.queued)
		}
		w.exchanges = true
		done = write()
		i.Close()
		if n := <-done; n == all {
			t.Error("wrote everything to a connection that has ended")
		}
	})
}
