package devserver

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// errStale is returned only if there is no other error.
func TestJoin(t *testing.T) {
	stale, refused := fmt.Errorf("patching: %w", errStale), errors.New("refused")
	for name, test := range map[string]struct {
		errs           []error
		isStale, isErr bool
	}{
		"none":       {[]error{nil, nil}, false, false},
		"stale":      {[]error{nil, stale}, true, true},
		"twice":      {[]error{stale, stale}, true, true},
		"other":      {[]error{refused, nil}, false, true},
		"both":       {[]error{stale, refused}, false, true},
		"both again": {[]error{refused, stale}, false, true},
	} {
		err := join(test.errs...)
		if errors.Is(err, errStale) != test.isStale || (err != nil) != test.isErr {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSooner(t *testing.T) {
	for want, waits := range map[time.Duration][]time.Duration{
		0:           {0, 0},
		time.Second: {0, time.Minute, time.Second, 0},
		time.Minute: {time.Minute, 0},
	} {
		if got := sooner(waits...); got != want {
			t.Errorf("sooner(%v) = %s, want %s", waits, got, want)
		}
	}
}
