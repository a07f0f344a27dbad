package policy

import (
	"strings"
	"time"
)

// Clock is a time as people read it.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Short is a duration without the parts that are zero: "72h", not "72h0m0s".
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
