package prepare

import (
	"testing"
)

func TestMergePasswd(t *testing.T) {
	const dev = "dev:*:1000:1000::/home/dev:/bin/bash"
	tests := map[string]struct{ image, want string }{
		"missing":             {"", "root:x:0:0:root:/root:/bin/bash\n" + dev + "\n"},
		"usual":               {"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/false\n", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/false\n" + dev + "\n"},
		"another uid 1000":    {"root:x:0:0::/root:/bin/sh\nubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\nx:x:5:5::/:\n", "root:x:0:0::/root:/bin/sh\n" + dev + "\nubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\nx:x:5:5::/:\n"},
		"its own dev":         {"root:x:0:0::/root:/bin/sh\ndev:x:500:500::/srv:/bin/false\n", "root:x:0:0::/root:/bin/sh\n" + dev + "\n"},
		"dev after uid 1000":  {"a:x:1000:1::/:\ndev:x:1000:1000::/srv:/bin/false\n", dev + "\na:x:1000:1::/:\n"},
		"a name that begins":  {"dev2:x:7:7::/:\n", "dev2:x:7:7::/:\n" + dev + "\n"},
		"no last line break":  {"root:x:0:0::/root:/bin/sh", "root:x:0:0::/root:/bin/sh\n" + dev + "\n"},
		"handed on to NIS":    {"root:x:0:0::/root:/bin/sh\n+::::::\n", "root:x:0:0::/root:/bin/sh\n" + dev + "\n+::::::\n"},
		"gid 1000 is no uid":  {"a:x:5:1000::/:\n", "a:x:5:1000::/:\n" + dev + "\n"},
		"lines without sense": {"what\n:\n::\n", "what\n:\n::\n" + dev + "\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := mergePasswd(test.image, "/bin/bash", identity{1000, 1000})
			if got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
			if again := mergePasswd(got, "/bin/bash", identity{1000, 1000}); again != got {
				t.Errorf("a second merge changes it to\n%s", again)
			}
		})
	}
}

func TestMergeOwnUID(t *testing.T) {
	alice := identity{20017, 20017}
	if got, want := mergePasswd("dev:x:1000:1000::/srv:/bin/sh\n", "/bin/sh", alice), "dev:*:20017:20017::/home/dev:/bin/sh\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := mergeGroup("x:x:20017:\n", alice), "dev:x:20017:\nx:x:20017:\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMergeGroup(t *testing.T) {
	tests := map[string]struct{ image, want string }{
		"missing":          {"", "root:x:0:\ndev:x:1000:\n"},
		"another gid 1000": {"root:x:0:\nubuntu:x:1000:\nsudo:x:27:dev\n", "root:x:0:\ndev:x:1000:\nubuntu:x:1000:\nsudo:x:27:dev\n"},
		"its own dev":      {"dev:x:99:a,b\n", "dev:x:1000:\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := mergeGroup(test.image, identity{1000, 1000})
			if got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
		})
	}
}
