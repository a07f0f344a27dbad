package output

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/printable"
)

// Guard returns streams whose Out and ErrOut are for text: they write a control character
// other than a line feed or a tab in a visible form. All commands get them. Raw returns
// the stream behind, for bytes and for programs that draw.
//
// The guard cannot tell a line break in a value from one that the command intends: Printf,
// Println and AddRow make each value one line.
func Guard(streams genericiooptions.IOStreams) genericiooptions.IOStreams {
	streams.Out, streams.ErrOut = guarded(streams.Out), guarded(streams.ErrOut)
	return streams
}

func guarded(w io.Writer) io.Writer {
	if _, ok := w.(*guard); ok || w == nil {
		return w
	}
	return &guard{raw: w}
}

// guard is a stream for text.
type guard struct {
	raw io.Writer
	// begun are the first bytes of a character whose others have not been written yet.
	begun []byte
}

// Write writes text.
func (g *guard) Write(p []byte) (int, error) {
	text := slices.Concat(g.begun, p)
	whole := len(text) - len(unfinished(text))
	g.begun = slices.Clone(text[whole:])
	if _, err := fmt.Fprint(g.raw, printable.Text(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unfinished returns the bytes at the end of text that begin a character.
func unfinished(text []byte) []byte {
	for size := 1; size < utf8.UTFMax && size <= len(text); size++ {
		if end := text[len(text)-size:]; utf8.RuneStart(end[0]) {
			if utf8.FullRune(end) {
				return nil
			}
			return end
		}
	}
	return nil
}

// Raw returns the stream behind a guard, for bytes that are not text for a person, and
// for programs and libraries that draw on a terminal. What they draw must be printable
// already.
func Raw(w io.Writer) io.Writer {
	if g, ok := w.(*guard); ok {
		return g.raw
	}
	return w
}

// IsTerminal tells whether a stream is a terminal.
func IsTerminal(stream any) bool {
	if g, ok := stream.(*guard); ok {
		stream = g.raw
	}
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Printf is fmt.Fprintf for people: each argument is printed as one line, whatever it is.
func Printf(w io.Writer, format string, args ...any) (int, error) {
	return fmt.Fprint(w, printable.Sprintf(format, args...))
}

// Println is fmt.Fprintln for people: it prints one line, whatever the words are.
func Println(w io.Writer, words ...string) (int, error) {
	return fmt.Fprintln(w, printable.Line(strings.Join(words, " "), 0))
}

// Lines prints text whose line breaks the command intends. Values in it must be
// printable already.
func Lines(w io.Writer, text string) (int, error) { return fmt.Fprint(w, text) }

// Styled prints lines with colors and other styles. Only a terminal gets them.
func Styled(w io.Writer, text string) (int, error) {
	return lipgloss.Fprint(Raw(w), printable.Colored(text))
}
