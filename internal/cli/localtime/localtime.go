// Package localtime writes times as the person who reads them has them.
package localtime

import (
	"regexp"
	"time"
)

// Layout is how people read a time. The operator writes UTC in the same form.
const Layout = "2006-01-02 15:04 MST"

var theirs = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`)

// Sentence puts the times in a sentence of the operator's, which everybody
// reads, into one person's zone.
func Sentence(text string, zone *time.Location) string {
	return theirs.ReplaceAllStringFunc(text, func(utc string) string {
		t, err := time.Parse(Layout, utc)
		if err != nil {
			return utc
		}
		return t.In(zone).Format(Layout)
	})
}
