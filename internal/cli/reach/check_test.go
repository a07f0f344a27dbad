package reach

import (
	"os"
	"path/filepath"
	"testing"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/testing/hostile"
)

// TestNamesCannotChangeSSHsConfiguration: what the cluster says of a server is checked
// before it comes into options and files of ssh.
func TestNamesCannotChangeSSHsConfiguration(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	key := newHostKey(t)
	for _, bad := range []string{hostile.Text, "a\nProxyCommand x", "../../x", "-oProxyCommand=x", "a b", "a,b", "*", "fe80::1%eth0", "@cert-authority"} {
		for field, set := range map[string]func(*devserverv1.DevServer){
			"name":          func(ds *devserverv1.DevServer) { ds.Name = bad },
			"namespace":     func(ds *devserverv1.DevServer) { ds.Namespace = bad },
			"address":       func(ds *devserverv1.DevServer) { ds.Status.SSH.Host = bad },
			"gateway":       func(ds *devserverv1.DevServer) { ds.Status.SSH.Gateway.Host = bad },
			"host key":      func(ds *devserverv1.DevServer) { ds.Status.SSH.HostKey = bad },
			"gateway's key": func(ds *devserverv1.DevServer) { ds.Status.SSH.Gateway.HostKey = bad },
		} {
			ds := running(key, "127.0.0.1:1")
			ds.Status.SSH.Gateway = &devserverv1.SSHGateway{Host: "gateway.example.com", Port: 22, HostKey: key}
			set(ds)
			for _, via := range []string{API, Gateway} {
				if words, err := OpenSSH(t.Context(), &cluster.Cluster{}, ds, Options{Via: via}); err == nil {
					t.Errorf("%s %q: got the options %q", field, bad, words)
				}
			}
		}
	}
	if files, err := filepath.Glob(filepath.Join(state, "*", "*", "*")); err != nil || len(files) > 0 {
		t.Errorf("files were written: %q, %v", files, err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(state), "x")); err == nil {
		t.Error("a file was written outside of its folder")
	}
}
