package sshpolicy

import (
	"errors"
	"testing"
)

func TestBudget(t *testing.T) {
	type step struct {
		user string
		take int64 // negative: give
		want error
	}
	tests := map[string]struct {
		reason string
		steps  []step
	}{
		"one user": {
			reason: "one user has at most a part",
			steps:  []step{{"a", 2, nil}, {"a", 1, ErrUserLimit}, {"b", 2, nil}},
		},
		"all users": {
			reason: "all users have at most everything",
			steps:  []step{{"a", 2, nil}, {"b", 2, nil}, {"c", 1, ErrTotalLimit}},
		},
		"more at once": {
			reason: "what does not fit takes nothing",
			steps:  []step{{"a", 3, ErrUserLimit}, {"a", 2, nil}},
		},
		"given back": {
			reason: "what was given back can be taken again",
			steps:  []step{{"a", 2, nil}, {"a", -1, nil}, {"a", 1, nil}, {"a", 1, ErrUserLimit}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := NewBudget(4, 2)
			for i, s := range tc.steps {
				if s.take < 0 {
					b.Give(s.user, -s.take)
					continue
				}
				if err := b.Check(s.user, s.take); !errors.Is(err, s.want) {
					t.Errorf("%s: step %d: Check: %v, want %v", tc.reason, i, err, s.want)
				}
				if err := b.Take(s.user, s.take); !errors.Is(err, s.want) {
					t.Errorf("%s: step %d: Take: %v, want %v", tc.reason, i, err, s.want)
				}
			}
		})
	}
}

func TestBudgetForgetsUsers(t *testing.T) {
	b := NewBudget(4, 2)
	if err := b.Take("a", 2); err != nil {
		t.Fatal(err)
	}
	b.Give("a", 2)
	if len(b.by) != 0 || b.used != 0 {
		t.Errorf("%v and %d are left", b.by, b.used)
	}
}
