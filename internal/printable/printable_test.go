package printable

import "testing"

func TestLine(t *testing.T) {
	for _, tc := range []struct {
		text    string
		longest int
		want    string
	}{
		{"", 3, ""},
		{"GPU 97 %, für Ærøskøbing 東京", 0, "GPU 97 %, für Ærøskøbing 東京"},
		{"a\nb\tc\x1b[31md\x00\x7f\u0085e", 0, "a b c?[31md?? e"},
		{"from \u202eright\u202c to left, \ufeffunseen", 0, "from ?right? to left, ?unseen"},
		{"not \xff UTF-8", 0, "not \ufffd UTF-8"},
		{"東京の人", 4, "東京の人"},
		{"東京の人々", 4, "東京の…"},
		{"long", 1, "…"},
	} {
		if got := Line(tc.text, tc.longest); got != tc.want {
			t.Errorf("%q in %d characters is %q, want %q", tc.text, tc.longest, got, tc.want)
		}
	}
}
