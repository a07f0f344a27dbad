package sshpolicy

import (
	"errors"
	"sync"
)

// Errors of Budget.Take.
var (
	// ErrUserLimit means that the user has as much as one user may have.
	ErrUserLimit = errors.New("the limit for one user is reached")
	// ErrTotalLimit means that all users together have as much as they may have.
	ErrTotalLimit = errors.New("the limit for all users together is reached")
)

// Budget limits how much of something all users have at once, such as connections, and
// how much of that one user has. So a user with a valid key can neither exhaust the
// server nor lock out others.
type Budget struct {
	total, each int64

	mu   sync.Mutex
	used int64
	by   map[string]int64
}

// NewBudget returns a budget of total, of which one user can have at most each.
func NewBudget(total, each int64) *Budget {
	return &Budget{total: total, each: each, by: map[string]int64{}}
}

// Take takes n for a user. On an error, it takes nothing.
func (b *Budget) Take(user string, n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.check(user, n); err != nil {
		return err
	}
	b.add(user, n)
	return nil
}

// Give returns n that Take has taken for the user.
func (b *Budget) Give(user string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(user, -n)
}

// Check returns the error that Take would return now.
func (b *Budget) Check(user string, n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.check(user, n)
}

// check is Check. The caller holds the lock, as for the methods below.
func (b *Budget) check(user string, n int64) error {
	switch {
	case b.by[user]+n > b.each:
		return ErrUserLimit
	case b.used+n > b.total:
		return ErrTotalLimit
	}
	return nil
}

// free is what the user can still take. It can be negative.
func (b *Budget) free(user string) int64 {
	return min(b.each-b.by[user], b.total-b.used)
}

func (b *Budget) add(user string, n int64) {
	b.used += n
	if b.by[user] += n; b.by[user] == 0 {
		delete(b.by, user)
	}
}

// Used returns what all users have.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
