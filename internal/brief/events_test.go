package brief

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// read reads all events, from a network that cuts them into bytes.
func read(text string, next func(*bufio.Reader) ([]byte, error)) (string, error) {
	short, err := io.ReadAll(newEvents(io.NopCloser(iotest.OneByteReader(strings.NewReader(text))), next))
	return string(short), err
}

func TestLines(t *testing.T) {
	long := `{"type":"ADDED","object":{"spec":"` + strings.Repeat("x", 10_000) + `","metadata":{`
	text := strings.Repeat(`{"type":"ADDED","object":{"metadata":{`+managed+`,"name":"a"}}}`+"\n", 2) + long + managed + "}}}\n" + `{"cut off`
	want := strings.Repeat(`{"type":"ADDED","object":{"metadata":{"name":"a"}}}`+"\n", 2) + long + "}}}\n" + `{"cut off`
	if got, err := read(text, lines()); err != nil || got != want {
		t.Errorf("became %q, %v\nwant %q", got, err, want)
	}
}

func TestFrames(t *testing.T) {
	whole, short := event(t, "a", true), event(t, "a", false)
	for name, tc := range map[string]struct{ text, want string }{
		"two":                {whole + whole, short + short},
		"none":               {"", ""},
		"a header cut off":   {whole + "\x00\x00", short + "\x00\x00"},
		"an event cut off":   {whole + whole[:20], short + whole[:20]},
		"one of something":   {"\x00\x00\x00\x04what" + whole, "\x00\x00\x00\x04what" + short},
		"one without fields": {"\x00\x00\x00\x00" + whole, "\x00\x00\x00\x00" + short},
	} {
		got, err := read(tc.text, frames(Mask{}))
		if got != tc.want || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: became %q, %v\nwant %q", name, got, err, tc.want)
		}
	}
	if _, err := read("\xff\xff\xff\xffwhat", frames(Mask{})); err == nil {
		t.Error("an event of four gigabytes is waited for")
	}
}

// An event is there as soon as it has come, while the next one is awaited.
func TestEventsComeAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		event string
		next  func(*bufio.Reader) ([]byte, error)
	}{
		"lines":  {`{"type":"ADDED"}` + "\n", lines()},
		"frames": {event(t, "a", false), frames(Mask{})},
	} {
		from, to := io.Pipe()
		events := newEvents(from, tc.next)
		go func() { _, _ = io.WriteString(to, tc.event) }()
		got := make([]byte, len(tc.event))
		if _, err := io.ReadFull(events, got); err != nil || string(got) != tc.event {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err := events.Close(); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(to, "x"); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: the network is read from after the end: %v", name, err)
		}
	}
}

func framed(message []byte) string {
	return string(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
}

func FuzzFrames(f *testing.F) {
	whole, short := event(f, "a", true), event(f, "a", false)
	f.Add([]byte(whole[headerBytes:]))
	f.Add([]byte(short[headerBytes:]))
	f.Fuzz(func(t *testing.T, message []byte) {
		text := framed(message)
		got, err := read(text, frames(Mask{}))
		if err != nil || len(got) > len(text) {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
		// A second time, there is nothing to take out.
		if again, err := read(got, frames(Mask{})); err != nil || !bytes.Equal([]byte(again), []byte(got)) {
			t.Fatalf("%q became %q, and then %q, %v", text, got, again, err)
		}
	})
}
