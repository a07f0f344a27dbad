package e2e

import (
	"strings"

	v1 "devserver.io/devserver/api/v1"
)

// environmentOfSpec is the spec.env of the server of TestStockOpenSSH. Its values
// look like references that Kubernetes and shells expand, and must not change.
var environmentOfSpec = []v1.EnvVar{
	{Name: "FROM_SPEC", Value: "spec's"},
	{Name: "BOTH", Value: "spec's"},
	{Name: "LITERAL", Value: `$(FROM_SPEC) $$(FROM_SPEC) $$ $(NONE) ${HOME} "quoted" \n 100%`},
	{Name: "TWO_LINES", Value: "one\ntwo"},
}

// environment: a command, a login shell and tmux see the same variables, from
// the image, the flavor and the DevServer, each unchanged.
func environment(b *server) {
	want := map[string]string{"FROM_FLAVOR": "flavor's", "PATH": b.sh("printenv PATH")}
	for _, v := range environmentOfSpec {
		want[v.Name] = v.Value
	}
	for dir := range strings.SplitSeq("/usr/local/bin:/usr/bin:/bin", ":") {
		if !strings.Contains(":"+want["PATH"]+":", ":"+dir+":") {
			b.Errorf("PATH %q lacks %s", want["PATH"], dir)
		}
	}
	shell := b.shell()
	for name, value := range want {
		b.want("printenv "+name, value)
		b.want(`bash -lc "printenv `+name+`"`, value)
		b.want(`bash -lic "printenv `+name+`" 2>/dev/null`, value)
		if got := shell.ask("printenv " + name); got != value {
			b.Errorf("%s in the login shell: %q, want %q", name, got, value)
		}
		// A separate tmux server each, because the former one may be about to end.
		b.want("mkfifo ~/env.fifo; tmux -L env-"+name+" new-session -d 'printenv "+name+" > ~/env.fifo'; cat ~/env.fifo; rm ~/env.fifo", value)
	}
	// The client may set its language, but not these other variables.
	sent := b.try("echo $LC_TEST:$LANG:$LD_PRELOAD:$FROM_CLIENT", "-o", "SetEnv=LC_TEST=here LANG=C.UTF-8 LD_PRELOAD=/no.so FROM_CLIENT=no")
	if sent.Stdout != "here:C.UTF-8::\n" {
		b.Errorf("variables from the client: %q", sent.Stdout)
	}
}

// sharedMemory: with a memory limit of 3 GiB, /dev/shm has room for 1 GiB, instead of
// the 64 MiB that container runtimes provide.
func sharedMemory(b *server) {
	b.want(`python3 - <<'END'
from multiprocessing import shared_memory
m = shared_memory.SharedMemory(create=True, size=1 << 30)
block = b"x" * (1 << 20)
for i in range(1 << 10):
    m.buf[i << 20:(i + 1) << 20] = block
print(m.buf[(1 << 30) - 1])
m.close()
m.unlink()
END`, "120")
}
