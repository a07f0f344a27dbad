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
	return Box{Inherited: inherited, User: "dev", Home: "/home/dev", CgroupDir: t.TempDir()}.Session("/bin/bash")
}

func TestSession(t *testing.T) {
	base := Vars{
		"HOME": "/home/dev", "USER": "dev", "LOGNAME": "dev", "SHELL": "/bin/bash", "LANG": "C.UTF-8",
		"PATH": defaultPath, PathVariable: defaultPath,
	}
	tests := map[string]struct {
		inherited []string
		differs   Vars // from base; an empty value is a variable that is not there
	}{
		"empty image":         {nil, nil},
		"image's PATH":        {[]string{"PATH=/opt/conda/bin:/bin"}, Vars{"PATH": "/opt/conda/bin:/bin", PathVariable: "/opt/conda/bin:/bin"}},
		"image's HOME":        {[]string{"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/zsh"}, nil},
		"image's LANG":        {[]string{"LANG=de_DE.UTF-8"}, Vars{"LANG": "de_DE.UTF-8"}},
		"image's LC_ALL":      {[]string{"LC_ALL=C"}, Vars{"LC_ALL": "C", "LANG": ""}},
		"pod's variables":     {[]string{"TOKEN=a=b\nc", "EMPTY="}, Vars{"TOKEN": "a=b\nc"}},
		"libraries":           {[]string{"LD_LIBRARY_PATH=/cuda"}, Vars{"LD_LIBRARY_PATH": "/cuda", LibraryPathVariable: "/cuda"}},
		"Kubernetes'":         {[]string{"KUBERNETES_SERVICE_HOST=1", "KUBERNETES_PORT=2", "KUBERNETES_PORT_443_TCP_ADDR=3"}, nil},
		"named like them":     {[]string{"KUBERNETES_NAMESPACE=ns"}, Vars{"KUBERNETES_NAMESPACE": "ns"}},
		"of the agent itself": {[]string{"PWD=/", "OLDPWD=/x", "SHLVL=1", "_=/agent"}, nil},
		"malformed":           {[]string{"", "=x", "NOVALUE"}, nil},
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
		b := Box{Inherited: []string{inherited}, CgroupDir: t.TempDir(), AgentDir: "/agent/bin", KeepDir: "/run/keep"}
		vars := b.Session("/bin/sh")
		if vars["PATH"] != want || vars[PathVariable] != want {
			t.Errorf("%s: got PATH %s, for the login profile %s", inherited, vars["PATH"], vars[PathVariable])
		}
		if vars[KeepVariable] != "/run/keep" {
			t.Errorf("got %s", vars[KeepVariable])
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

func TestCPULimit(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  int
	}{
		"none":              {nil, 0},
		"v2":                {map[string]string{"cpu.max": "400000 100000\n"}, 4},
		"v2 rounded up":     {map[string]string{"cpu.max": "150000 100000\n"}, 2},
		"v2 less than one":  {map[string]string{"cpu.max": "10000 100000\n"}, 1},
		"v2 no limit":       {map[string]string{"cpu.max": "max 100000\n"}, 0},
		"v2 odd":            {map[string]string{"cpu.max": "what\n"}, 0},
		"v2 period of zero": {map[string]string{"cpu.max": "1 0\n"}, 0},
		"v1":                {map[string]string{"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3},
		"v1 joint":          {map[string]string{"cpu,cpuacct/cpu.cfs_quota_us": "100000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 1},
		"v1 no limit":       {map[string]string{"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := CPULimit(cgroup(t, test.files)); got != test.want {
				t.Errorf("%d CPUs, want %d", got, test.want)
			}
		})
	}
}

func cgroup(t *testing.T, files map[string]string) string {
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
	limited := cgroup(t, map[string]string{"cpu.max": "350000 100000"})
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
			vars := Box{Inherited: test.inherited, CgroupDir: test.dir}.Session("/bin/sh")
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
