package spawner

import (
	"strings"
	"testing"

	"devserver.io/devserver/internal/agentapi"
)

func TestHomeRoom(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for name, tc := range map[string]struct {
		room agentapi.Room
		want string
	}{
		"empty":            {agentapi.Room{SizeBytes: 10 * gib, FreeBytes: 10 * gib, Files: 1000, FreeFiles: 1000}, ""},
		"a tenth is free":  {agentapi.Room{SizeBytes: 10 * gib, FreeBytes: gib, Files: 1000, FreeFiles: 1000}, ""},
		"none is free":     {agentapi.Room{SizeBytes: 10 * gib, FreeBytes: 0, Files: 1000, FreeFiles: 1000}, "0 MiB of 10240 MiB are free"},
		"small and full":   {agentapi.Room{SizeBytes: 300 * mib, FreeBytes: 10 * mib, Files: 1000, FreeFiles: 1000}, "10 MiB of 300 MiB are free"},
		"large, some room": {agentapi.Room{SizeBytes: 1024 * gib, FreeBytes: 2 * gib, Files: 1000, FreeFiles: 1000}, ""},
		"large and full":   {agentapi.Room{SizeBytes: 1024 * gib, FreeBytes: 100 * mib, Files: 1000, FreeFiles: 1000}, "100 MiB of"},
		"no more files":    {agentapi.Room{SizeBytes: 10 * gib, FreeBytes: gib, Files: 100000, FreeFiles: 5}, "5 more files of 100000"},
		"files unknown":    {agentapi.Room{SizeBytes: 10 * gib, FreeBytes: gib, Files: 0, FreeFiles: 0}, ""},
		"nothing known":    {agentapi.Room{}, ""},
	} {
		if got := fullHome(tc.room); got == "" != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q in it", name, got, tc.want)
		}
	}
	if r, err := RoomOf(t.TempDir()); err != nil || r.SizeBytes == 0 {
		t.Errorf("of a real file system: %+v, %v", r, err)
	}
}
