package ssh

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/sshtest"
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

func running(hostKey string) *devserverv1.DevServer {
	return &devserverv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "box"},
		Status: devserverv1.DevServerStatus{
			Phase: devserverv1.PhaseRunning,
			SSH:   &devserverv1.SSHStatus{Host: "10.0.0.7", Port: 31022, HostKey: hostKey},
		},
	}
}

func TestPrepareChecksTheHostKeyOfTheCluster(t *testing.T) {
	state := filepath.Join(t.TempDir(), "100% mine")
	t.Setenv("XDG_STATE_HOME", state)
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshtest.NewKey(t).PublicKey())))
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(running(key)).Build()
	got, err := Prepare(t.Context(), c, "team", "box", []string{"-A", "--", "nvidia-smi", "-L"})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(state, "devserver", "known_hosts.d", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("known_hosts files %v (%v), want one", files, err)
	}
	want := []string{
		"ssh",
		"-o", "HostKeyAlias=box.team",
		"-o", `UserKnownHostsFile="` + strings.ReplaceAll(files[0], "%", "%%") + `"`,
		"-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=yes",
		"-o", "UpdateHostKeys=no",
		"-p", "31022", "dev@10.0.0.7",
		"-A", "--", "nvidia-smi", "-L",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("command line (-want +got):\n%s", diff)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("box.team "+key+"\n", string(content)); diff != "" {
		t.Errorf("known hosts (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("known hosts: mode %v (%v), want 0600", info.Mode(), err)
	}
}

func TestPrepareRefusesInWords(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshtest.NewKey(t).PublicKey())))
	cases := map[string]struct {
		change func(*devserverv1.DevServer)
		code   int
		want   string
	}{
		"Missing": {
			change: func(ds *devserverv1.DevServer) { ds.Name = "other" },
			code:   exit.NotFound,
			want:   "there is none",
		},
		"Pending": {
			change: func(ds *devserverv1.DevServer) {
				ds.Status.Phase = devserverv1.PhasePending
				ds.Status.Conditions = []metav1.Condition{{Type: "Ready", Reason: "FlavorNotFound", Message: "There is no flavor huge."}}
			},
			code: exit.Refused,
			want: "DevServer box is Pending: FlavorNotFound: There is no flavor huge: to wait for it: devctl wait box -n team",
		},
		"NoAddress": {
			change: func(ds *devserverv1.DevServer) { ds.Status.SSH = nil; ds.Spec.SSH.Service.Type = "None" },
			code:   exit.Refused,
			want:   "kubectl -n team port-forward pod/box-0 2222:2222",
		},
		"NoHostKey": {
			change: func(ds *devserverv1.DevServer) { ds.Status.SSH.HostKey = "" },
			code:   exit.Failed,
			want:   "does not say its host key",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ds := running(key)
			tc.change(ds)
			c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(ds).Build()
			_, err := Prepare(t.Context(), c, "team", "box", nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) || exit.Code(err) != tc.code {
				t.Errorf("got %v (exit code %d), want %q (exit code %d)", err, exit.Code(err), tc.want, tc.code)
			}
		})
	}
}
