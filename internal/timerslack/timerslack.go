// Package timerslack spares a program from being woken for each of its timers.
package timerslack

import "time"

// Raise lets the program's timers be late by up to slack, so that the kernel wakes
// it for several of them at once. What comes from the network is as early as ever.
//
// A thread has its slack from the one that started it, and Go starts one of its own
// before main: the monitor, which sleeps for 20 µs at a time while anything runs.
// Raise therefore executes the program anew, with its arguments and environment and
// as the same process. It is to be called first in main, and does nothing where the
// slack is as long already, cannot be set, or on systems other than Linux.
func Raise(slack time.Duration) { raise(slack) }
