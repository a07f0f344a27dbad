package sshconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/dotfile"
	"devserver.io/devserver/internal/testing/sshserver"
)

func TestRefreshIfOptedIn(t *testing.T) {
	ready := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "trainer"}}
	ready.Status.SSH = &devserverv1.SSHStatus{HostKey: string(ssh.MarshalAuthorizedKey(sshserver.NewKey(t).PublicKey()))}
	young := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "young"}}
	to := &cluster.Cluster{
		Client:  fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(ready, young).WithStatusSubresource(ready).Build(),
		Context: "lab", Namespace: "team",
	}
	// The builder drops the status.
	if err := to.Client.Status().Update(t.Context(), ready); err != nil {
		t.Fatal(err)
	}
	const include = "Include ~/.ssh/devserver/config\n"
	cases := map[string]struct {
		reason        string
		config, ours  string
		name          string
		hosts, notice string
	}{
		"NotOptedIn": {"nothing is written without the line", "Host *\n", "", "trainer", "", ""},
		"OptedIn":    {"the server is added", include, "", "trainer", "Host trainer.team.devserver\n", "ssh trainer.team.devserver\n"},
		"Short":      {"also by its name alone", include, file{short: &scope{Context: "lab", Namespace: "team"}}.text("", nil), "trainer", "Host trainer.team.devserver trainer\n", "ssh trainer\n"},
		"Young":      {"nobody can log in without a host key", include, "", "young", "", ""},
		"Foreign":    {"a failure is a warning", include, "# mine\n", "trainer", "# mine\n", "warning: writing ~/.ssh/devserver/config: it was not written by devctl: move it away: to try again: devctl ssh-config -n team\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("HOME", home)
			ours := filepath.Join(home, ".ssh", "devserver", "config")
			for path, text := range map[string]string{filepath.Join(home, ".ssh", "config"): tc.config, ours: tc.ours} {
				if text == "" {
					continue
				}
				if err := dotfile.Write(path, strings.ReplaceAll(text, "~", home)); err != nil {
					t.Fatal(err)
				}
			}
			streams, _, _, errOut := genericiooptions.NewTestIOStreams()
			RefreshIfOptedIn(t.Context(), to, "team", tc.name, streams)
			text, err := os.ReadFile(ours)
			if tc.hosts == "" && err == nil || !strings.Contains(string(text), tc.hosts) {
				t.Errorf("%s: the file is %q, want %q in it", tc.reason, text, tc.hosts)
			}
			if got := errOut.String(); !strings.HasSuffix(got, tc.notice) || tc.notice == "" && got != "" {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.notice)
			}
		})
	}
}
