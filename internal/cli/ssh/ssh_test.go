package ssh

import (
	"strings"
	"testing"
)

func TestOwnFlagBehindTheName(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   string
		want   string
	}{
		"None":           {"nothing is there", "", ""},
		"SSHFlags":       {"flags of ssh are ssh's", "-A -i key -L 8888:localhost:8888 -v", ""},
		"Namespace":      {"ssh would run team as a command", "-n team", "-n"},
		"NamespaceLate":  {"the same behind a flag with a value", "-L 1:h:2 -n team", "-n"},
		"NamespaceGlued": {"the same in one word", "-nteam", "-nteam"},
		"Long":           {"ssh has no long flags", "-A --context=lab", "--context=lab"},
		"ValueGlued":     {"the next word is not the value of -L", "-L1:h:2 -n team", "-n"},
		"Value":          {"a value may look like anything", "-i -n", ""},
		"Command":        {"behind -- is the command", "-- sort -n --reverse", ""},
		"BareCommand":    {"the command begins with the first word", "sort -n", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got, _ := ownFlag(strings.Fields(tc.args)); got != tc.want {
				t.Errorf("%s: ownFlag(%s) = %q, want %q", tc.reason, tc.args, got, tc.want)
			}
		})
	}
}
