package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"devserver.io/devserver/test/bench/jump"
)

const (
	// atOnce is how many clients log in at the same time.
	atOnce = 32
	// runs is how often a short measurement is repeated.
	runs = 3

	connecting = 8 * time.Second

	sessions     = 2000
	sessionPace  = 40_000 // bytes a second
	sessionBytes = 20 * sessionPace

	typists   = 20
	keyEvery  = 100 * time.Millisecond
	typing    = 15 * time.Second
	kibibytes = 1024.0
)

// during returns the CPU time that the jump host and this program, which runs the clients,
// use during do.
func during(h *jump.Host, do func() error) (host, clients, seconds float64, err error) {
	before, err := h.Usage()
	if err != nil {
		return 0, 0, 0, err
	}
	self, err := jump.SelfCPU()
	if err != nil {
		return 0, 0, 0, err
	}
	begin := time.Now()
	err = do()
	seconds = time.Since(begin).Seconds()
	after, err2 := h.Usage()
	selfAfter, err3 := jump.SelfCPU()
	return after.CPU - before.CPU, selfAfter - self, seconds, errors.Join(err, err2, err3)
}

// idle opens many connections and leaves them idle.
func (c *crossing) idle(ctx context.Context, h *jump.Host) error {
	n, note, err := c.idlers(h)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "gateway: %s: %d idle connections\n", h.Name, n)
	before, err := h.Usage()
	if err != nil {
		return err
	}
	tunnels, err := open(ctx, h, n, jump.Raw)
	defer closeAll(tunnels)
	if err != nil {
		return err
	}
	for _, t := range tunnels {
		if err := talk(t); err != nil {
			return err
		}
	}
	fresh, err := h.Usage()
	if err != nil {
		return err
	}
	cpu, _, seconds, err := during(h, func() error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(c.o.idle):
			return nil
		}
	})
	if err != nil {
		return err
	}
	after, err := h.Usage()
	if err != nil {
		return err
	}
	each := func(u jump.Usage) []float64 { return []float64{(u.Memory - before.Memory) / float64(n) / kibibytes} }
	c.add(h, result{Name: "memory for each idle connection", Unit: "KiB", Values: each(fresh), Goal: 110, Note: note + ", each after some bytes both ways"})
	c.add(h, result{Name: fmt.Sprintf("… %s later", c.o.idle), Unit: "KiB", Values: each(after), Goal: 110})
	c.add(h, result{Name: "… CPU while they are idle", Unit: "% of a core", Values: []float64{100 * cpu / seconds}})
	return nil
}

// connections repeatedly logs in, connects to a server, reads the start of its SSH
// version, and disconnects.
func (c *crossing) connections(ctx context.Context, h *jump.Host) error {
	fmt.Fprintf(os.Stderr, "gateway: %s: connections\n", h.Name)
	var rates, host, clients []float64
	for range runs {
		var made atomic.Int64
		used, own, seconds, err := during(h, func() error {
			ctx, cancel := context.WithTimeout(ctx, connecting)
			defer cancel()
			return each(atOnce, func(int) error {
				for ctx.Err() == nil {
					t, err := h.Tunnel(h.Target(jump.SSH))
					if err != nil {
						return err
					}
					_, err = io.ReadFull(t, make([]byte, len("SSH-2.0-")))
					_ = t.Close()
					if err != nil {
						return err
					}
					made.Add(1)
				}
				return nil
			})
		})
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		n := float64(made.Load())
		rates, host, clients = append(rates, n/seconds), append(host, 1000*used/n), append(clients, 1000*own/n)
	}
	c.add(h, result{
		Name: "connections per second", Unit: "/s", Values: rates, Least: 300,
		Note: fmt.Sprintf("%d at once, on %d cores that the clients use as well", atOnce, runtime.NumCPU()),
	})
	c.add(h, result{Name: "… CPU of the jump host for each", Unit: "ms", Values: host})
	c.add(h, result{Name: "… CPU of the client for each", Unit: "ms", Values: clients})
	return nil
}

// streams measures the throughput of one connection.
func (c *crossing) streams(ctx context.Context, h *jump.Host) error {
	for _, s := range []struct {
		name  string
		what  greed
		least float64
	}{
		{"one stream, from a server", greed{Way: h.Way, Target: h.Target(jump.Raw)}, 230},
		{"one stream, to a server", greed{Way: h.Way, Target: h.Target(jump.Raw), Upload: true}, 230},
		{"one stream, from a server, with its SSH inside", greed{Way: h.Way, Target: h.Target(jump.SSH), Inside: true}, 0},
	} {
		fmt.Fprintf(os.Stderr, "gateway: %s: %s\n", h.Name, s.name)
		var rates, cpu []float64
		for range runs {
			var moved float64
			used, _, _, err := during(h, func() (err error) {
				moved, err = s.what.run(ctx, 5*time.Second)
				return err
			})
			if err != nil {
				return err
			}
			rates, cpu = append(rates, moved/5/1e6), append(cpu, used/(moved/1e9))
		}
		c.add(h, result{Name: s.name, Unit: "MB/s", Values: rates, Least: s.least})
		c.add(h, result{Name: "… CPU of the jump host for each GB", Unit: "s", Values: cpu})
	}
	return nil
}

// crowd runs many sessions at once, each with the output of a busy build.
func (c *crossing) crowd(ctx context.Context, h *jump.Host) error {
	fmt.Fprintf(os.Stderr, "gateway: %s: %d sessions\n", h.Name, sessions)
	tunnels, err := open(ctx, h, sessions, jump.Raw)
	defer closeAll(tunnels)
	if err != nil {
		return err
	}
	var lost, ended atomic.Int64
	host, _, seconds, err := during(h, func() error {
		return each(len(tunnels), func(i int) error {
			if _, err := fmt.Fprintln(tunnels[i], jump.Source(sessionBytes, sessionPace)); err != nil {
				return err
			}
			right, err := jump.Receive(tunnels[i])
			if err != nil {
				ended.Add(1)
			}
			lost.Add(int64(sessionBytes - right))
			return nil
		})
	})
	if err != nil {
		return err
	}
	c.add(h, result{
		Name: fmt.Sprintf("%d sessions at %d KB/s each: bytes lost", sessions, sessionPace/1000), Values: []float64{float64(lost.Load())}, Zero: true,
		Note: fmt.Sprintf("of %.1f GB; %d of the sessions broke", float64(sessions*sessionBytes)/1e9, ended.Load()),
	})
	c.add(h, result{Name: "… until all had come", Unit: "s", Values: []float64{seconds}, Note: fmt.Sprintf("sent within %d s", sessionBytes/sessionPace)})
	c.add(h, result{Name: "… CPU of the jump host", Unit: "cores", Values: []float64{host / seconds}})
	return nil
}

// keystrokes measures the round trip of keystrokes, without and with a greedy stream.
func (c *crossing) keystrokes(ctx context.Context, h *jump.Host) error {
	fmt.Fprintf(os.Stderr, "gateway: %s: keystrokes\n", h.Name)
	tunnels, err := open(ctx, h, typists, jump.Raw)
	defer closeAll(tunnels)
	if err != nil {
		return err
	}
	for _, t := range tunnels {
		if err := talk(t); err != nil {
			return err
		}
	}
	alone, err := typeKeys(ctx, tunnels)
	if err != nil {
		return err
	}
	var moved float64
	var beside sync.WaitGroup
	var greedy error
	beside.Go(func() {
		moved, greedy = greed{Way: h.Way, Target: h.Target(jump.Raw)}.run(ctx, typing)
	})
	crowded, err := typeKeys(ctx, tunnels)
	beside.Wait()
	if err := errors.Join(err, greedy); err != nil {
		return err
	}
	note := fmt.Sprintf("round trip, %d users, %d keys per second each", typists, time.Second/keyEvery)
	c.add(h, result{Name: "keystroke", Unit: "ms", Values: alone, Note: note})
	c.add(h, result{Name: "keystroke beside a greedy stream", Unit: "ms", Values: crowded, Note: fmt.Sprintf("the stream had %.0f MB/s", moved/typing.Seconds()/1e6)})
	return nil
}

// typeKeys returns the round-trip time of each keystroke in milliseconds.
func typeKeys(ctx context.Context, tunnels []net.Conn) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, typing)
	defer cancel()
	var mu sync.Mutex
	var took []float64
	err := each(len(tunnels), func(i int) error {
		pace := time.NewTicker(keyEvery)
		defer pace.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-pace.C:
			}
			begin := time.Now()
			if err := knock(tunnels[i]); err != nil {
				return err
			}
			mu.Lock()
			took = append(took, time.Since(begin).Seconds()*1000)
			mu.Unlock()
		}
	})
	return took, err
}
