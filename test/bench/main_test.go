package main

import (
	"slices"
	"testing"
	"time"
)

func TestFlagsAndTargetsInAnyOrder(t *testing.T) {
	for _, args := range [][]string{
		{"scale", "-n", "5", "--idle", "2m"},
		{"-n", "5", "--idle=2m", "scale"},
		{"-n=5", "scale", "-idle", "2m"},
	} {
		o, chosen, err := parse(args)
		if err != nil || o.servers != 5 || o.idle != 2*time.Minute || !slices.Equal(chosen, []string{"scale"}) {
			t.Errorf("%q: %d servers, idle %s, targets %q, %v", args, o.servers, o.idle, chosen, err)
		}
	}
	if _, _, err := parse([]string{"scale", "-n", "5", "nothing"}); err == nil {
		t.Error("an unknown target is accepted")
	}
}
