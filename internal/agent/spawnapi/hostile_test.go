package spawnapi

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
	"devserver.io/devserver/internal/agentapi"
)

// hostile is a spawner whose replies a test chooses.
type hostile struct {
	t      *testing.T
	client *Client
}

// newHostile serves each connection but those of probes with answer.
func newHostile(t *testing.T, answer func(*Conn)) *hostile {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			raw, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			c := &Conn{raw}
			var request Request
			files, err := c.Receive(&request, MaxRequest)
			descriptor.CloseAll(files)
			switch {
			case err != nil:
			case request.Probe != nil:
				_ = c.Send(Reply{Files: len(files)})
			default:
				answer(c)
			}
			c.Close()
		}
	}()
	return &hostile{t, &Client{Socket: socket, UID: os.Getuid()}}
}

// refused checks that all requests of a kind fail, with the text in the error, and leave
// no file open.
func (h *hostile) refused(request func(context.Context, *Client) error, want string) {
	h.t.Helper()
	if _, err := h.client.relays(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	before := openFiles(h.t)
	err := request(h.t.Context(), h.client)
	if err == nil || !strings.Contains(err.Error(), want) {
		h.t.Errorf("got error %v, want %q", err, want)
	}
	awaitFiles(h.t, before)
}

// files are kinds of files that a spawner can send.
func files(t *testing.T) map[string]*os.File {
	t.Helper()
	opened := map[string]*os.File{}
	open := func(name string, file *os.File, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		opened[name] = file
	}
	regular, err := os.Create(filepath.Join(t.TempDir(), "file"))
	open("a regular file", regular, err)
	dir, err := os.Open(t.TempDir())
	open("a folder", dir, err)
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	open("a device", null, err)
	read, _, err := os.Pipe()
	open("a pipe", read, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	listening, err := listener.(*net.TCPListener).File()
	open("a listener", listening, err)
	tcp, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	connected, err := tcp.(*net.TCPConn).File()
	open("a TCP connection", connected, err)
	datagrams, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	open("a datagram socket", os.NewFile(uintptr(datagrams[0]), "datagrams"), nil)
	open("its other end", os.NewFile(uintptr(datagrams[1]), "datagrams"), nil)
	return opened
}

// kinds are the requests to which a spawner sends files.
var kinds = map[string]func(context.Context, *Client) error{
	"a terminal": func(ctx context.Context, c *Client) error {
		p, err := c.Start(ctx, Start{Kind: KindShell, Terminal: &Terminal{}})
		if err == nil {
			p.Close()
		}
		return err
	},
	"a connection": func(ctx context.Context, c *Client) error {
		conn, err := c.Dial(ctx, Dial{})
		if err == nil {
			conn.Close()
		}
		return err
	},
	"a listener": func(ctx context.Context, c *Client) error {
		l, err := c.Listen(ctx, Listen{})
		if err == nil {
			l.Close()
		}
		return err
	},
}

// TestUnexpectedFilesAreRefused: the SSH server could block forever when it reads from
// another kind of file.
func TestUnexpectedFilesAreRefused(t *testing.T) {
	for kind, request := range kinds {
		for name, file := range files(t) {
			if kind == name {
				continue
			}
			t.Run(kind+" is "+name, func(t *testing.T) {
				newHostile(t, func(c *Conn) { _ = c.Send(Reply{}, file) }).refused(request, "the spawner sent a")
			})
		}
		t.Run(kind+" is missing", func(t *testing.T) {
			newHostile(t, func(c *Conn) { _ = c.Send(Reply{}) }).refused(request, "the spawner sent 0")
		})
		t.Run(kind+" is three", func(t *testing.T) {
			newHostile(t, func(c *Conn) { _ = c.Send(Reply{}, os.Stdin, os.Stdin, os.Stdin) }).refused(request, "the spawner sent 3")
		})
	}
}

func TestHostileRepliesAreRefused(t *testing.T) {
	report := func(ctx context.Context, c *Client) error {
		_, err := c.Report(ctx, ReportRequest{})
		return err
	}
	for name, test := range map[string]struct {
		answer func(*Conn)
		want   string
	}{
		"no reply":       {func(*Conn) {}, "EOF"},
		"an endless one": {func(c *Conn) { _, _ = c.Write([]byte{255, 255, 255, 255}) }, "longer than"},
		"no report":      {func(c *Conn) { _ = c.Send(Reply{}) }, "no report"},
		"not JSON":       {func(c *Conn) { _, _ = c.Write([]byte{0, 0, 0, 1, '?'}) }, "malformed"},
		"files":          {func(c *Conn) { _ = c.Send(Reply{}, os.Stdin, os.Stdin, os.Stdin) }, "no report"},
		"a refusal":      {func(c *Conn) { _ = c.Send(Reply{Refused: &Refusal{1, "no"}}, os.Stdin) }, "no"},
	} {
		t.Run(name, func(t *testing.T) { newHostile(t, test.answer).refused(report, test.want) })
	}
}

// TestSilentSpawner: a request ends with its context, whatever the spawner does.
func TestSilentSpawner(t *testing.T) {
	for kind, request := range kinds {
		ctx, cancel := context.WithCancel(t.Context())
		h := newHostile(t, func(*Conn) {
			cancel()
			<-t.Context().Done()
		})
		if err := request(ctx, h.client); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v", kind, err)
		}
	}
}

func TestReportsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 300)
	signals := make([]agentapi.Signal, 1000)
	for i := range signals {
		signals[i] = agentapi.Signal{Name: long, Value: long}
	}
	h := newHostile(t, func(c *Conn) {
		_ = c.Send(Reply{Report: &Report{Version: long, Signals: signals[:20]}})
	})
	got, err := h.client.Report(t.Context(), ReportRequest{})
	if err != nil || len(got.Signals) != maxSignals || len(got.Version) != 200 || len(got.Signals[0].Name) != 200 || len(got.Signals[0].Value) != 200 {
		t.Errorf("got %d signals, a version of %d bytes, %v", len(got.Signals), len(got.Version), err)
	}
}

// TestFilesThatCannotBePassed: the client asks for streams if the spawner does not receive
// files, but not if it does not answer.
func TestFilesThatCannotBePassed(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(*Conn, int) error // to a probe with so many files
		relay  bool
		fails  bool
	}{
		"files are passed": {func(c *Conn, files int) error { return c.Send(Reply{Files: files}) }, false, false},
		"files are lost":   {func(c *Conn, _ int) error { return c.Send(Reply{}) }, true, false},
		"no messages with them": {func(c *Conn, files int) error {
			if files > 0 {
				return nil
			}
			return c.Send(Reply{})
		}, true, false},
		"nothing works": {func(*Conn, int) error { return nil }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "socket")
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					raw, err := listener.AcceptUnix()
					if err != nil {
						return
					}
					c := &Conn{raw}
					files, err := c.Receive(&Request{}, MaxRequest)
					if err == nil {
						_ = test.answer(c, len(files))
					}
					descriptor.CloseAll(files)
					c.Close()
				}
			}()
			client := &Client{Socket: socket, UID: os.Getuid()}
			relay, err := client.relays(t.Context())
			if relay != test.relay || (err != nil) != test.fails {
				t.Errorf("relays: %t, %v", relay, err)
			}
		})
	}
}
