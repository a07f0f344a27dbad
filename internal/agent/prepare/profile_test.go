package prepare

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestProfileRestoresPath(t *testing.T) {
	const debian = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
	const conda = "/opt/conda/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	tests := map[string]struct{ image, reset, want string }{
		"reset by Debian":       {conda, debian, conda},
		"not reset":             {conda, conda, conda},
		"added behind":          {conda, debian + ":/snap/bin", conda + ":/snap/bin"},
		"added in front":        {conda, "/opt/tools/bin:" + debian, "/opt/tools/bin:" + conda},
		"added on both sides":   {conda, "/a:/b:" + debian + ":/c:/d", "/a:/b:" + conda + ":/c:/d"},
		"added twice":           {conda, "/a:/a:" + debian + ":/a", "/a:" + conda},
		"in the image already":  {conda, "/opt/conda/bin:" + debian, conda},
		"empty entries":         {conda, ":" + debian + "::", conda},
		"unset":                 {conda, "", conda},
		"spaces":                {"/my tools:/bin", "/your tools:/bin", "/your tools:/my tools:/bin"},
		"wildcards":             {"/bin:/usr/bin", "/opt/*:/bin", "/opt/*:/bin:/usr/bin"},
		"prefix of another":     {"/opt/conda/bin:/bin", "/opt/conda:/bin", "/opt/conda:/opt/conda/bin:/bin"},
		"another kind of shell": {"", debian, debian},
	}
	shells := map[string][]string{
		"dash": {"dash", "-eu"}, "bash": {"bash", "-eu"}, "bash posix": {"bash", "--posix", "-eu"}, "lax sh": {"sh"},
	}
	snippet := filepath.Join(t.TempDir(), "profile.sh")
	if err := os.WriteFile(snippet, []byte(Profile), 0o600); err != nil {
		t.Fatal(err)
	}
	for shell, command := range shells {
		program, err := exec.LookPath(command[0])
		if err != nil {
			t.Fatalf("this test needs %s: install the Debian package %s", command[0], command[0])
		}
		for name, test := range tests {
			t.Run(shell+"/"+name, func(t *testing.T) {
				script := `PATH=$1; [ -n "$PATH" ] || unset PATH; . "$2"; set +u; printf %s "$PATH"; set | /bin/grep ^__devserver || true`
				cmd := exec.Command(program, append(command[1:], "-c", script, "sh", test.reset, snippet)...)
				cmd.Env = []string{"DEVSERVER_PATH=" + test.image}
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				if string(out) != test.want {
					t.Errorf("PATH is\n%s, want\n%s", out, test.want)
				}
			})
		}
	}
}

func TestProfileRestoresLibraryPath(t *testing.T) {
	tests := map[string]struct{ image, now, want string }{
		"reset":     {"/usr/local/cuda/lib64", "", "/usr/local/cuda/lib64"},
		"kept":      {"/usr/local/cuda/lib64", "/mine:/usr/local/cuda/lib64", "/mine:/usr/local/cuda/lib64"},
		"never set": {"", "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sh", "-euc", Profile+"\n"+`printf %s "${LD_LIBRARY_PATH:-}"`)
			cmd.Env = []string{"DEVSERVER_LD_LIBRARY_PATH=" + test.image, "LD_LIBRARY_PATH=" + test.now}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if string(out) != test.want {
				t.Errorf("LD_LIBRARY_PATH is %q, want %q", out, test.want)
			}
		})
	}
}
