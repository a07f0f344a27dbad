package sshd

import (
	"strings"
	"testing"
)

func TestHomeRoom(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for name, tc := range map[string]struct {
		room
		want string
	}{
		"empty":            {room{10 * gib, 10 * gib, 1000, 1000}, ""},
		"a tenth is free":  {room{10 * gib, gib, 1000, 1000}, ""},
		"none is free":     {room{10 * gib, 0, 1000, 1000}, "0 MiB of 10240 MiB are free"},
		"small and full":   {room{300 * mib, 10 * mib, 1000, 1000}, "10 MiB of 300 MiB are free"},
		"large, some room": {room{1024 * gib, 2 * gib, 1000, 1000}, ""},
		"large and full":   {room{1024 * gib, 100 * mib, 1000, 1000}, "100 MiB of"},
		"no more files":    {room{10 * gib, gib, 100000, 5}, "5 more files, of 100000"},
		"files unknown":    {room{10 * gib, gib, 0, 0}, ""},
		"nothing known":    {room{}, ""},
	} {
		if got := tc.warning(); got == "" != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want words %q", name, got, tc.want)
		}
	}
	if r, err := roomOf(t.TempDir()); err != nil || r.size == 0 {
		t.Errorf("of a real file system: %+v, %v", r, err)
	}
}
