package agent_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Packet types, flags and attributes of draft-ietf-secsh-filexfer-02.
const (
	fxpInit, fxpOpen, fxpClose, fxpRead, fxpWrite   byte = 1, 3, 4, 5, 6
	fxpFstat, fxpFsetstat, fxpRealpath, fxpExtended byte = 8, 10, 16, 200
	fxpStatus, fxpHandle, fxpData, fxpAttrs         byte = 101, 102, 103, 105

	readWriteCreateTruncate uint32 = 1 | 2 | 8 | 16
	sizeAttribute           uint32 = 1
	timesAttribute          uint32 = 8
)

// packet encodes a packet: uint32 and uint64 as such, a string after its length.
func packet(kind byte, fields ...any) []byte {
	p := []byte{0, 0, 0, 0, kind}
	for _, field := range fields {
		switch field := field.(type) {
		case uint32:
			p = binary.BigEndian.AppendUint32(p, field)
		case uint64:
			p = binary.BigEndian.AppendUint64(p, field)
		case string:
			p = binary.BigEndian.AppendUint32(p, uint32(len(field)))
			p = append(p, field...)
		default:
			panic(fmt.Sprintf("a field of type %T", field))
		}
	}
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	return p
}

// readResponse reads a packet and describes it: its ID and content.
func readResponse(r io.Reader) (id uint32, description string, err error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return 0, "", err
	}
	p := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(r, p); err != nil {
		return 0, "", err
	}
	number := func(at int) uint32 { return binary.BigEndian.Uint32(p[at:]) }
	switch id = number(1); p[0] {
	case fxpStatus:
		return id, fmt.Sprintf("status %d", number(5)), nil
	case fxpHandle:
		return id, "handle " + string(p[9:]), nil
	case fxpData:
		return id, "data" + runs(p[9:]), nil
	case fxpAttrs:
		return id, fmt.Sprintf("size %d, modified %d", binary.BigEndian.Uint64(p[9:]), number(33)), nil
	default:
		return id, fmt.Sprintf("type %d", p[0]), nil
	}
}

// runs describes data by how often each byte follows itself.
func runs(data []byte) string {
	var s strings.Builder
	for len(data) > 0 {
		n := slices.IndexFunc(data, func(b byte) bool { return b != data[0] })
		if n < 0 {
			n = len(data)
		}
		fmt.Fprintf(&s, " %d×%#x", n, data[0])
		data = data[n:]
	}
	return s.String()
}

// sftpServer prepares the agent's SFTP server, which is killed if it hangs.
func sftpServer(t *testing.T) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "devserver-agent", "sftp-server")
	cmd.Dir = t.TempDir()
	return cmd
}

// pipeline is a series of requests on one handle, with the responses that they
// get if they are carried out one at a time, in this order.
type pipeline struct {
	handle   string
	requests []byte
	sent     []sentRequest
}

type sentRequest struct{ name, want string }

func (p *pipeline) add(name, want string, kind byte, fields ...any) {
	fields = append([]any{uint32(len(p.sent)), p.handle}, fields...)
	p.requests = append(p.requests, packet(kind, fields...)...)
	p.sent = append(p.sent, sentRequest{name, want})
}

func (p *pipeline) write(offset int, fill byte, length int) {
	p.add(fmt.Sprintf("WRITE of %d×%#x at %d", length, fill, offset), "status 0",
		fxpWrite, uint64(offset), strings.Repeat(string([]byte{fill}), length))
}

func (p *pipeline) truncate(size int) {
	p.add(fmt.Sprintf("FSETSTAT of size %d", size), "status 0", fxpFsetstat, sizeAttribute, uint64(size))
}

func (p *pipeline) setTimes(seconds uint32) {
	p.add(fmt.Sprintf("FSETSTAT of times %d", seconds), "status 0", fxpFsetstat, timesAttribute, seconds, seconds)
}

func (p *pipeline) stat(want string) { p.add("FSTAT", want, fxpFstat) }

func (p *pipeline) read(offset, length int, want string) {
	p.add(fmt.Sprintf("READ of %d at %d", length, offset), want, fxpRead, uint64(offset), uint32(length))
}

// TestPipelinedRequestsRunInOrder sends requests on one handle without waiting
// for responses, as sshfs and lftp do. Each depends on the ones before it.
func TestPipelinedRequestsRunInOrder(t *testing.T) {
	const rounds, blocks, half = 10, 32, 4096
	server := sftpServer(t)
	server.Stderr = os.Stderr
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	exchange := func(request []byte) string {
		if _, err := in.Write(request); err != nil {
			t.Fatal(err)
		}
		_, response, err := readResponse(out)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	exchange(packet(fxpInit, uint32(3)))
	for round := range rounds {
		name := fmt.Sprintf("round%d", round)
		opened := exchange(packet(fxpOpen, uint32(0), name, readWriteCreateTruncate, uint32(0)))
		handle, ok := strings.CutPrefix(opened, "handle ")
		if !ok {
			t.Fatalf("OPEN: got %q, want a handle", opened)
		}
		p, content := pipeline{handle: handle}, strings.Builder{}
		for block := range blocks {
			start, a, b := block*2*half, byte(2*block), byte(2*block+1)
			p.write(start, a, 2*half)
			p.truncate(start + half)
			p.stat(fmt.Sprintf("size %d,", start+half))
			p.write(start+half, b, half)
			p.read(start, 2*half, fmt.Sprintf("data %d×%#x %d×%#x", half, a, half, b))
			p.setTimes(1_000_000_000 + uint32(block))
			p.stat(fmt.Sprintf("size %d, modified %d", start+2*half, 1_000_000_000+block))
			fmt.Fprintf(&content, " %d×%#x %d×%#x", half, a, half, b)
		}
		p.add("CLOSE", "status 0", fxpClose)
		go func() { _, _ = in.Write(p.requests) }()
		for id, sent := range p.sent {
			got, response, err := readResponse(out)
			if err != nil {
				t.Fatalf("%s, request %d, %s: %v", name, id, sent.name, err)
			}
			if got != uint32(id) || !strings.HasPrefix(response, sent.want) {
				t.Errorf("%s, request %d, %s: got %q with ID %d, want %q", name, id, sent.name, response, got, sent.want)
			}
		}
		data, err := os.ReadFile(filepath.Join(server.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := runs(data); got != content.String() {
			t.Errorf("%s holds\n%s, want\n%s", name, got, content.String())
		}
	}
	in.Close()
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSFTPServerEnds shows that requests which get no response, and clients
// which leave at any point, do not make the server wait.
func TestSFTPServerEnds(t *testing.T) {
	initialize := packet(fxpInit, uint32(3))
	stat := packet(fxpFstat, uint32(7), "no handle")
	tests := map[string]struct {
		send      []byte
		leave     bool // close the server's input after sending
		responses []string
		fails     bool
	}{
		"nothing sent":         {leave: true},
		"between two requests": {send: slices.Concat(initialize, stat), leave: true, responses: []string{"type 2", "status 4"}},
		"within a length":      {send: slices.Concat(initialize, stat[:2]), leave: true, responses: []string{"type 2"}, fails: true},
		"within a request":     {send: slices.Concat(initialize, stat[:9]), leave: true, responses: []string{"type 2"}, fails: true},
		"unknown extension": {
			send:  slices.Concat(initialize, packet(fxpExtended, uint32(7), "unknown@example.com"), packet(fxpRealpath, uint32(8), ".")),
			leave: true, responses: []string{"type 2", "status 8", "type 104"},
		},
		"unknown type":    {send: slices.Concat(initialize, packet(99, uint32(7)), stat), responses: []string{"type 2"}, fails: true},
		"invalid request": {send: slices.Concat(initialize, packet(fxpFstat, uint32(7), uint32(100)), stat), responses: []string{"type 2"}, fails: true},
		"empty packet":    {send: slices.Concat(initialize, make([]byte, 4), stat), responses: []string{"type 2"}, fails: true},
		"packet too long": {send: slices.Concat(initialize, []byte{0xff, 0xff, 0xff, 0xff}, stat), responses: []string{"type 2"}, fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := sftpServer(t)
			in, err := server.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := server.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Write(test.send); err != nil {
				t.Fatal(err)
			}
			if test.leave {
				in.Close()
			}
			var responses []string
			for {
				_, response, err := readResponse(out)
				if err != nil {
					break
				}
				responses = append(responses, response)
			}
			if !slices.Equal(responses, test.responses) {
				t.Errorf("got %q, want %q", responses, test.responses)
			}
			if err := server.Wait(); (err != nil) != test.fails || server.ProcessState.ExitCode() < 0 {
				t.Errorf("the server ended with %v, want failure: %t", err, test.fails)
			}
		})
	}
	t.Run("responses cannot be written", func(t *testing.T) {
		server := sftpServer(t)
		in, err := server.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		server.Stdout = full
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(initialize); err != nil {
			t.Fatal(err)
		}
		if err := server.Wait(); server.ProcessState.ExitCode() != 1 {
			t.Errorf("the server ended with %v, want exit code 1", err)
		}
	})
}
