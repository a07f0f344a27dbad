package logs

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"devserver.io/devserver/internal/cli/output"
)

// TestATerminalGetsColorsOnly prints a log on a terminal and into a file.
func TestATerminalGetsColorsOnly(t *testing.T) {
	const log = "\x1b[32mgreen\x1b[0m\r\n\x1b]0;title\x07\x1b[31mred\n10%\r20%\nthe end"
	open := func(context.Context, *corev1.PodLogOptions) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(log)), nil
	}
	var out bytes.Buffer
	streams := []struct {
		name string
		to   io.Writer
		want string
	}{
		{"terminal", screen{&out}, "\x1b[32mgreen\x1b[0m\n" + `\x1b]0;title\x07` + "\x1b[31mred\x1b[0m\n" + `10%\r20%` + "\nthe end\n"},
		{"file", display(&out), log},
	}
	for _, s := range streams {
		out.Reset()
		if err := stream(t.Context(), open, &corev1.PodLogOptions{}, s.to); err != nil {
			t.Fatal(err)
		}
		if out.String() != s.want {
			t.Errorf("%s: got %q, want %q", s.name, out.String(), s.want)
		}
	}
	if output.IsTerminal(&out) {
		t.Error("a buffer is a terminal")
	}
	out.Reset()
	if err := merged(t.Context(), open, []string{"ssh", "devserver"}, Options{Tail: 1}, screen{&out}); err != nil || strings.Contains(out.String(), "\x07") {
		t.Errorf("merged: %q, %v", out.String(), err)
	}
}
