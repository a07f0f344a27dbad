//go:build !linux

package timerslack

import "time"

func raise(time.Duration) {}
