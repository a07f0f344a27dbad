package policy

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1m": time.Minute, "6h": 6 * time.Hour, "1h30m": 90 * time.Minute, "90s": 90 * time.Second,
		"2d": 48 * time.Hour, "2d12h": 60 * time.Hour, "0d1m": time.Minute, "3650d": longestDuration, "87600h": longestDuration,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%s) = %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "6", "h", "d", "59s", "0", "-6h", "-1d", "1.5d", "1d-1h", "1dd", "1h2d", "2d ", "six hours", "87600h1s", "3651d", "65535d", "99999999d", "1d2562047h", "1e3h",
	} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %s, want an error", text, got)
		}
	}
}
