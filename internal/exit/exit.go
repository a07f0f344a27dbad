// Package exit gives errors the exit codes that scripts rely on.
package exit

import "errors"

// Exit codes of devctl. devctl ssh can also end with those of ssh and of the
// remote command.
const (
	OK       = 0
	Failed   = 1
	Usage    = 2
	NotFound = 3
	Refused  = 4
	TimedOut = 5
	// Interrupted is what shells return for a command that Ctrl-C ended.
	Interrupted = 130
)

// Help explains the codes to users.
const Help = `Exit codes:
  0  success
  1  an error, for example a cluster that does not answer
  2  wrong usage
  3  the DevServer does not exist
  4  refused, or the DevServer failed or is not running
  5  it took longer than --timeout`

// Error is an error with an exit code.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// With gives err the code, unless it is nil.
func With(code int, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: code, Err: err}
}

// Code is the exit code for err.
func Code(err error) int {
	if err == nil {
		return OK
	}
	if coded, ok := errors.AsType[*Error](err); ok {
		return coded.Code
	}
	return Failed
}
