package policy

import "time"

const (
	firstWarning = 15 * time.Minute
	lastWarning  = 5 * time.Minute
)

// WarningLeads are how long before a stop people are warned of it, when it was
// foreseeable for span. A server that may be idle for ten minutes only would spend
// half of its life with a warning: it has one, and later. 0 stands for no warning.
func WarningLeads(span time.Duration) (first, last time.Duration) {
	switch {
	case span >= 2*firstWarning:
		return firstWarning, lastWarning
	case span >= 2*lastWarning:
		return 0, lastWarning
	default:
		return 0, span / 2
	}
}

// Warnings are when people are warned of a stop that was foreseeable for span.
func Warnings(stop time.Time, span time.Duration) []time.Time {
	first, last := WarningLeads(span)
	if first == 0 {
		return []time.Time{stop.Add(-last)}
	}
	return []time.Time{stop.Add(-first), stop.Add(-last)}
}
