// Package localtime shows times in the person's time zone.
package localtime

// Layout is how a time is shown.
const Layout = "2006-01-02 15:04 MST"
