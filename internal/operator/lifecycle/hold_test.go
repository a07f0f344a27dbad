package lifecycle

import (
	"testing"
	"time"
)

func TestHold(t *testing.T) {
	at := func(minutes ...int) []time.Time {
		var failures []time.Time
		for _, m := range minutes {
			failures = WithFailure(failures, noon.Add(time.Duration(m)*time.Minute))
		}
		return failures
	}
	for name, test := range map[string]struct {
		failures []time.Time
		want     time.Time
	}{
		"none":             {nil, time.Time{}},
		"two":              {at(0, 1), time.Time{}},
		"three":            {at(0, 1, 2), in(3 * time.Minute)},
		"three, far apart": {at(0, 8, 16), time.Time{}},
		"four":             {at(0, 1, 2, 4), in(6 * time.Minute)},
		"seven":            {at(0, 1, 2, 3, 4, 5, 6), in(16 * time.Minute)},
		"long after":       {at(0, 1, 2, 60), time.Time{}},
	} {
		if got := HoldUntil(test.failures); !got.Equal(test.want) {
			t.Errorf("%s: until %s, want %s", name, got, test.want)
		}
	}
}
