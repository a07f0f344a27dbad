package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The API's own bounds of a duration.
const (
	shortestDuration = time.Minute
	longestDuration  = 87600 * time.Hour
)

// ParseDuration reads a duration, such as that of a keep, as people write it: as
// Go does, behind days: "6h", "1h30m", "2d12h".
func ParseDuration(text string) (time.Duration, error) {
	var days uint64
	var rest time.Duration
	var err error
	before, after, has := strings.Cut(text, "d")
	if has {
		days, err = strconv.ParseUint(before, 10, 16)
	} else {
		after = text
	}
	if err == nil && (after != "" || !has) {
		rest, err = time.ParseDuration(after)
	}
	// Days fit by far; what is added to them is bounded on its own.
	if err != nil || rest < 0 || rest > longestDuration {
		return 0, noDuration(text)
	}
	if d := time.Duration(days)*24*time.Hour + rest; d >= shortestDuration && d <= longestDuration {
		return d, nil
	}
	return 0, noDuration(text)
}

func noDuration(text string) error {
	return fmt.Errorf("%q is no duration from 1m to 87600h, such as 6h, 1h30m or 2d", text)
}
