package policy_test

import (
	"testing"

	"devserver.io/devserver/internal/policy"
)

func TestImageAllowed(t *testing.T) {
	for _, tc := range []struct {
		reason, image string
		patterns      []string
		want          bool
	}{
		{"no patterns", "anything", nil, true},
		{"itself", "example.com/a:1", []string{"example.com/a:1"}, true},
		{"a longer name", "example.com/a:10", []string{"example.com/a:1"}, false},
		{"a shorter name", "example.com/a", []string{"example.com/a:1"}, false},
		{"one of several", "b", []string{"a", "b"}, true},
		{"none of several", "c", []string{"a", "b"}, false},
		{"a star for all", "example.com/a:1", []string{"*"}, true},
		{"a star passes over slashes", "example.com/ml/a/b@sha256:0", []string{"example.com/ml/*"}, true},
		{"a star may stand for nothing", "example.com/ml/", []string{"example.com/ml/*"}, true},
		{"the path at another place", "evil.example/example.com/ml/a", []string{"example.com/ml/*"}, false},
		{"a dot is a dot", "exampleXcom/ml/a", []string{"example.com/ml/*"}, false},
		{"a star at the front", "registry.example.com/torch:2", []string{"*/torch:2"}, true},
		{"and the end is the end", "registry.example.com/torch:21", []string{"*/torch:2"}, false},
		{"two stars", "example.com/ml/torch:2", []string{"example.com/*:2*"}, true},
		{"both ends and the middle", "a/b/c/b/d", []string{"a/*/b/d"}, true},
		{"parts in another order", "a/c/b/d", []string{"a/*b*c*d"}, false},
		{"parts must not overlap", "aba", []string{"ab*ba"}, false},
		{"nor those in the middle", "a-b-c", []string{"a-*-b-*-c"}, false},
		{"two stars side by side", "ab", []string{"a**b"}, true},
		{"the end is what counts", "aXbXb", []string{"a*Xb"}, true},
		{"nothing but a star's nothing", "", []string{"*"}, true},
		{"an empty pattern", "a", []string{""}, false},
	} {
		if got := policy.ImageAllowed(tc.image, tc.patterns); got != tc.want {
			t.Errorf("%s: %s with %q: %t, want %t", tc.reason, tc.image, tc.patterns, got, tc.want)
		}
	}
}
