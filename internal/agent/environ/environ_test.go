package environ

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func session(t *testing.T, inherited ...string) Vars {
	t.Helper()
	return Server{Inherited: inherited, User: "dev", Home: "/home/dev", CgroupDir: t.TempDir()}.Session("/bin/bash")
}

func TestSession(t *testing.T) {
	base := Vars{
		"HOME": "/home/dev", "USER": "dev", "LOGNAME": "dev", "SHELL": "/bin/bash", "LANG": "C.UTF-8",
		"PATH": defaultPath, PathVariable: defaultPath,
	}
	tests := map[string]struct {
		inherited []string
		differs   Vars // from base; an empty value is a variable that is not set
	}{
		"empty image":          {nil, nil},
		"image's PATH":         {[]string{"PATH=/opt/conda/bin:/bin"}, Vars{"PATH": "/opt/conda/bin:/bin", PathVariable: "/opt/conda/bin:/bin"}},
		"image's HOME":         {[]string{"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/zsh"}, nil},
		"image's LANG":         {[]string{"LANG=de_DE.UTF-8"}, Vars{"LANG": "de_DE.UTF-8"}},
		"image's LC_ALL":       {[]string{"LC_ALL=C"}, Vars{"LC_ALL": "C", "LANG": ""}},
		"pod's variables":      {[]string{"TOKEN=a=b\nc", "EMPTY="}, Vars{"TOKEN": "a=b\nc"}},
		"libraries":            {[]string{"LD_LIBRARY_PATH=/cuda"}, Vars{"LD_LIBRARY_PATH": "/cuda", LibraryPathVariable: "/cuda"}},
		"Kubernetes variables": {[]string{"KUBERNETES_SERVICE_HOST=1", "KUBERNETES_PORT=2", "KUBERNETES_PORT_443_TCP_ADDR=3"}, nil},
		"similar names":        {[]string{"KUBERNETES_NAMESPACE=ns"}, Vars{"KUBERNETES_NAMESPACE": "ns"}},
		"the agent's own":      {[]string{"PWD=/", "OLDPWD=/x", "SHLVL=1", "_=/agent"}, nil},
		"malformed":            {[]string{"", "=x", "NOVALUE"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := maps.Clone(base)
			maps.Copy(want, test.differs)
			got := session(t, test.inherited...)
			maps.DeleteFunc(want, func(_, value string) bool { return value == "" })
			maps.DeleteFunc(got, func(_, value string) bool { return value == "" })
			if !maps.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got.List(), want.List())
			}
		})
	}
}

func TestAgentIsLastInPath(t *testing.T) {
	for inherited, want := range map[string]string{
		"PATH=/opt/conda/bin:/bin":        "/opt/conda/bin:/bin:/agent/bin",
		"PATH=/agent/bin:/bin":            "/agent/bin:/bin",
		"PATH=":                           defaultPath + ":/agent/bin",
		"PATH=/agent/bin2:/bin:/agent/bi": "/agent/bin2:/bin:/agent/bi:/agent/bin",
	} {
		server := Server{Inherited: []string{inherited}, CgroupDir: t.TempDir(), AgentDir: "/agent/bin", KeepAwakeDir: "/run/keep"}
		vars := server.Session("/bin/sh")
		if vars["PATH"] != want || vars[PathVariable] != want {
			t.Errorf("%s: got PATH %s, for the login profile %s", inherited, vars["PATH"], vars[PathVariable])
		}
		if vars[KeepAwakeVariable] != "/run/keep" {
			t.Errorf("got %s", vars[KeepAwakeVariable])
		}
	}
}

func TestListIsSorted(t *testing.T) {
	if got := strings.Join(Vars{"B": "2", "A": "1", "C": ""}.List(), " "); got != "A=1 B=2 C=" {
		t.Error(got)
	}
}

func TestClientMaySet(t *testing.T) {
	tests := []struct {
		name, value string
		want        bool
	}{
		{"LANG", "de_DE.UTF-8", true},
		{"LC_ALL", "C", true},
		{"LC_TERMINAL", "iTerm2", true},
		{"TZ", "Europe/Berlin", true},
		{"COLORTERM", "truecolor", true},
		{"TERM_PROGRAM", "vscode", true},
		{"TERM_PROGRAM_VERSION", "1", true},
		{"NO_COLOR", "1", true},
		{"GIT_PROTOCOL", "version=2", true},
		{"PATH", "/tmp", false},
		{"LD_PRELOAD", "/tmp/x.so", false},
		{"LD_LIBRARY_PATH", "/tmp", false},
		{"BASH_ENV", "/tmp/x", false},
		{"ENV", "/tmp/x", false},
		{"HOME", "/", false},
		{"SSH_AUTH_SOCK", "/tmp/x", false},
		{"DEVSERVER_PATH", "/tmp", false},
		{"GIT_SSH_COMMAND", "x", false},
		{"LANGUAGE", "de", false},
		{"LC_A=B", "x", false},
		{"LC_/", "x", false},
		{"LANG", "a\x00b", false},
		{"LANG", strings.Repeat("x", 5000), false},
		{"", "x", false},
	}
	for _, test := range tests {
		if got := ClientMaySet(test.name, test.value); got != test.want {
			t.Errorf("ClientMaySet(%q, %.20q) = %v", test.name, test.value, got)
		}
	}
}

func TestCPULimitIsWholeCPUs(t *testing.T) {
	for text, want := range map[string]int{
		"400000 100000": 4,
		"150000 100000": 2,
		"10000 100000":  1,
		"max 100000":    0,
	} {
		if got := cpuLimit(cgroupFiles(t, map[string]string{"cpu.max": text})); got != want {
			t.Errorf("cpu.max %q: got %d CPUs, want %d", text, got, want)
		}
	}
}

func cgroupFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestThreadsFollowTheLimit(t *testing.T) {
	limited := cgroupFiles(t, map[string]string{"cpu.max": "350000 100000"})
	tests := map[string]struct {
		dir       string
		inherited []string
		want      string // OMP, MKL, OPENBLAS, NUMEXPR
	}{
		"limited":        {limited, nil, "4 4 4 4"},
		"unlimited":      {t.TempDir(), nil, "- - - -"},
		"set already":    {limited, []string{"OMP_NUM_THREADS=2"}, "2 - - -"},
		"one set":        {limited, []string{"MKL_NUM_THREADS=1"}, "- 1 - -"},
		"set to nothing": {limited, []string{"OMP_NUM_THREADS="}, "4 4 4 4"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			vars := Server{Inherited: test.inherited, CgroupDir: test.dir}.Session("/bin/sh")
			var got []string
			for _, name := range threadVariables {
				value, set := vars[name]
				if !set {
					value = "-"
				}
				got = append(got, value)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("%v, want %s", got, test.want)
			}
		})
	}
}
