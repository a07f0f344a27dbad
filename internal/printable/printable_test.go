package printable

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for _, tc := range []struct {
		text    string
		longest int
		want    string
	}{
		{"", 3, ""},
		{"GPU 97 %, für Ærøskøbing 東京 ⚠️", 0, "GPU 97 %, für Ærøskøbing 東京 ⚠️"},
		{"a\nb\tc\r\x1b[31md\x00\x7f", 0, `a\nb\tc\r\x1b[31md\x00\x7f`},
		{"\u009b2J\u0085\u2028\u2029", 0, `\u009b2J\u0085\u2028\u2029`},
		{"from \u202eright\u202c to left, \u2066\u2069\u200e\u200f\u061c", 0, `from \u202eright\u202c to left, \u2066\u2069\u200e\u200f\u061c`},
		{"unseen \u200b\u200d\ufeff\u00ad\u3164\U000e0041\U000e0100", 0, `unseen \u200b\u200d\ufeff\u00ad\u3164\U000e0041\U000e0100`},
		{"no\u00a0break, 東京\u3000都", 0, "no break, 東京 都"},
		{"not \xff UTF-8\xc3", 0, `not \xff UTF-8\xc3`},
		{`C:\new`, 0, `C:\new`},
		{"東京の人", 4, "東京の人"},
		{"東京の人々", 4, "東京の…"},
		{"long", 1, "…"},
		{"ab\x1bc", 4, "ab…"}, // An escape is not cut.
		{"ab\x1b", 6, `ab\x1b`},
	} {
		if got := Line(tc.text, tc.longest); got != tc.want {
			t.Errorf("%q in %d characters is %q, want %q", tc.text, tc.longest, got, tc.want)
		}
	}
}

func TestProse(t *testing.T) {
	if got, want := Prose(" pulling:\n\tnot \x1b[1mfound\r\n", 0), `pulling: not \x1b[1mfound`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTextKeepsLines(t *testing.T) {
	if got, want := Text("one\n\ttwo \x1b[1mthree\x1b[0m\r\n"), "one\n\ttwo \\x1b[1mthree\\x1b[0m\\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestColoredKeepsStylesOnly(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[1;31mred\x1b[0m\n":           "\x1b[1;31mred\x1b[0m\n",
		"\x1b[38:2::1:2:3mred\x1b[m":       "\x1b[38:2::1:2:3mred\x1b[m",
		"\x1b[32mgreen\nnext":              "\x1b[32mgreen\x1b[0m\nnext",
		"\x1b[2J\x1b]0;title\x07\x1b[31":   `\x1b[2J\x1b]0;title\x07\x1b[31`,
		"\x1b[?1049h\u009b31m\x1b[" + "é":  `\x1b[?1049h\u009b31m\x1b[é`,
		"\x1b[" + strings.Repeat("1;", 40): `\x1b[` + strings.Repeat("1;", 40),
	} {
		if got := Colored(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

type word string

func TestSprintf(t *testing.T) {
	for want, got := range map[string]string{
		`a\nb c\x1b d\u202e`:       Sprintf("%s %v %s", "a\nb", errors.New("c\x1b"), word("d\u202e")),
		`[a\nb] map[a\nb:1]`:       Sprintf("%v %v", []string{"a\nb"}, map[string]int{"a\nb": 1}),
		`  \n|\n   |"\n"|1m0s|007`: Sprintf("%4s|%-5s|%q|%s|%03d", "\n", "\n", "\n", time.Minute, 7),
		"one\ntwo <nil>":           Sprintf("one\n%s %v", "two", nil),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// FuzzText checks that no text whatsoever leaves a character that a terminal acts on.
func FuzzText(f *testing.F) {
	for _, text := range []string{
		"", "plain", "a\r\nb\tc", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u009b2J\u0085", "\u202e\u2066\u200e\u061c",
		"\u200b\ufeff\u2028\u2029", "\U000e0041\U000e0100", "\xff\xc3\xe2\x80", `\x1b`, "東京\u3000⚠️",
	} {
		f.Add(text, 0)
		f.Add(text, 5)
	}
	f.Fuzz(func(t *testing.T, text string, longest int) {
		longest = max(0, longest)
		line := Line(text, longest)
		check(t, line, "")
		if longest > 0 && utf8.RuneCountInString(line) > longest {
			t.Errorf("%q has more than %d characters", line, longest)
		}
		if again := Line(line, longest); again != line {
			t.Errorf("%q changes again, to %q", line, again)
		}
		check(t, Prose(text, longest), "")
		check(t, Sprintf("%s%v%q%-9s", text, []string{text}, text, errors.New(text)), "")
		several := Text(text)
		check(t, several, "\n\t")
		if strings.Count(several, "\n") != strings.Count(text, "\n") {
			t.Errorf("%q has other lines than %q", several, text)
		}
		colored := Colored(text)
		if again := Colored(colored); again != colored {
			t.Errorf("%q changes again, to %q", colored, again)
		}
		for i := range colored {
			if colored[i] == '\x1b' && styleOf(colored[i:]) == "" {
				t.Errorf("%q has an escape sequence that is not a style", colored)
			}
		}
		check(t, strings.ReplaceAll(colored, "\x1b", ""), "\n\t")
	})
}

// check reports the characters of text that a terminal acts on, except those in but.
func check(t *testing.T, text, but string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%q is not UTF-8", text)
	}
	for _, r := range text {
		if !IsPrint(r) && !strings.ContainsRune(but, r) {
			t.Errorf("%q has %U", text, r)
		}
	}
}

func ExampleSprintf() {
	fmt.Println(Sprintf("image %s", "evil\x1b]0;title\x07\nError: none"))
	// Output: image evil\x1b]0;title\x07\nError: none
}
