package logs

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// theirs are the logs of two containers, and what is new in them afterwards.
func theirs(_ context.Context, request *corev1.PodLogOptions) (io.ReadCloser, error) {
	text := map[string]string{
		"ssh": "2026-01-30T15:00:00.5Z login\n2026-01-30T15:00:02Z logout\n",
		"devserver": "2026-01-30T15:00:00Z ready\n2026-01-30T15:00:00.25+00:00 traceback\n" +
			"without a time\n2026-01-30T15:00:01Z ended\n",
	}[request.Container]
	if request.Follow && request.Container == "ssh" {
		// From the beginning of the last line's second.
		text = "2026-01-30T15:00:02Z logout\n2026-01-30T15:00:03Z login\n"
	} else if request.Follow {
		text = ""
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func TestMerged(t *testing.T) {
	const all = "ready\ntraceback\nwithout a time\nlogin\nended\nlogout\n"
	for name, tc := range map[string]struct {
		options Options
		want    string
	}{
		"by time":    {Options{Tail: -1}, all},
		"last lines": {Options{Tail: 2}, "ended\nlogout\n"},
		"follow":     {Options{Tail: -1, Follow: true}, all + "login\n"},
		"timestamps": {Options{Tail: 1, Timestamps: true}, "2026-01-30T15:00:02Z logout\n"},
	} {
		var out bytes.Buffer
		if err := merged(t.Context(), theirs, []string{"ssh", "devserver"}, tc.options, &out); err != nil {
			t.Fatal(err)
		}
		if out.String() != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, out.String(), tc.want)
		}
	}
}
