package reach

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/testing/port"
	"devserver.io/devserver/internal/testing/sshserver"
)

func newHostKey(t *testing.T) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshserver.NewKey(t).PublicKey())))
}

// running is a server with an address.
func running(hostKey, address string) *devserverv1.DevServer {
	ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bot"}}
	ds.Status = devserverv1.DevServerStatus{Phase: devserverv1.PhaseRunning, SSH: &devserverv1.SSHStatus{HostKey: hostKey}}
	if host, digits, err := net.SplitHostPort(address); err == nil {
		number, _ := strconv.Atoi(digits)
		ds.Status.SSH.Host, ds.Status.SSH.Port = host, int32(number)
	}
	return ds
}

// addresses are one that answers and one that refuses connections.
func addresses(t *testing.T) (answers, refuses string) {
	t.Helper()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = open.Close() })
	return open.Addr().String(), port.Refusing(t)
}

func TestOpenSSHChecksTheHostKeyOfTheCluster(t *testing.T) {
	state := filepath.Join(t.TempDir(), "100% mine")
	t.Setenv("XDG_STATE_HOME", state)
	key := newHostKey(t)
	answers, _ := addresses(t)
	ds := running(key, answers)
	got, err := OpenSSH(t.Context(), &cluster.Cluster{}, ds, Options{Via: Auto})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(state, "devserver", "known_hosts.d", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("known_hosts files %v (%v), want one", files, err)
	}
	want := []string{
		"-o", "HostKeyAlias=bot.team",
		"-o", `UserKnownHostsFile="` + strings.ReplaceAll(files[0], "%", "%%") + `"`,
		"-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=yes",
		"-o", "UpdateHostKeys=no",
		"-o", "ProxyCommand=none",
		"-o", "HostName=127.0.0.1",
		"-o", "Port=" + strconv.Itoa(int(ds.Status.SSH.Port)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("bot.team "+key+"\n", string(content)); diff != "" {
		t.Errorf("known hosts (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("known hosts: mode %v (%v), want 0600", info.Mode(), err)
	}
}

func TestTheWayToAServer(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	key := newHostKey(t)
	answers, refuses := addresses(t)
	cases := map[string]struct {
		reason  string
		address string
		gateway bool
		via     string
		want    string // an option
		code    int    // or the exit code of an error
	}{
		"Gateway":           {reason: "as asked for", gateway: true, address: answers, via: Gateway, want: "ProxyCommand=ssh -W bot.team:22 -l devserver -p 2022 -o 'UserKnownHostsFile="},
		"NoGateway":         {reason: "the cluster has none", address: answers, via: Gateway, code: exit.Refused},
		"Direct":            {reason: "it answers", address: answers, via: Auto, want: "ProxyCommand=none"},
		"NoAddress":         {reason: "the API server is always there", via: Auto, want: "--via=api"},
		"BehindAFirewall":   {reason: "the address is of no use from here", address: refuses, via: Auto, want: "--via=api"},
		"AskedForTheAPI":    {reason: "as asked for", address: answers, via: API, want: "--via=api"},
		"DirectRefused":     {reason: "as asked for, though it fails", address: refuses, via: Direct, code: exit.Failed},
		"DirectWithNowhere": {reason: "there is nowhere to go", via: Direct, code: exit.Refused},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ds := running(key, tc.address)
			if tc.gateway {
				ds.Status.SSH.Gateway = &devserverv1.SSHGateway{Host: "gw.example.com", Port: 2022, HostKey: newHostKey(t)}
			}
			got, err := OpenSSH(t.Context(), &cluster.Cluster{}, ds, Options{Via: tc.via})
			if exit.Code(err) != tc.code || err == nil && !strings.Contains(strings.Join(got, "\n"), tc.want) {
				t.Errorf("%s: got %v and %v, want %q, exit code %d", tc.reason, got, err, tc.want, tc.code)
			}
		})
	}
}

// The gateway is known by the key that the cluster says, beside the server, and no
// flag of the user's can be taken for its address.
func TestTheGatewayIsKnown(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	key, gateway := newHostKey(t), newHostKey(t)
	ds := running(key, "")
	ds.Status.SSH.Gateway = &devserverv1.SSHGateway{Host: "gw.example.com", Port: 2022, HostKey: gateway}
	options, err := OpenSSH(t.Context(), &cluster.Cluster{}, ds, Options{Via: Gateway, Identity: "/keys/mine"})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(state, "devserver", "known_hosts.d", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("known_hosts files %v (%v), want one", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("bot.team "+key+"\n[gw.example.com]:2022 "+gateway+"\n", string(content)); diff != "" {
		t.Errorf("known hosts (-want +got):\n%s", diff)
	}
	line := strings.Join(options, "\n")
	for _, want := range []string{"StrictHostKeyChecking=yes -o UpdateHostKeys=no -o 'IdentityFile=\"/keys/mine\"' -o IdentitiesOnly=yes -- gw.example.com", Quote(files[0])} {
		if !strings.Contains(line, want) {
			t.Errorf("the options are\n%s\nwant %q among them", line, want)
		}
	}
}

func TestWithoutAHostKeyNobodyLogsIn(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for name, hostKey := range map[string]string{"None": "", "Unreadable": "ssh-ed25519 AAAA"} {
		t.Run(name, func(t *testing.T) {
			if got, err := OpenSSH(t.Context(), &cluster.Cluster{}, running(hostKey, ""), Options{Via: API}); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

// TestProxyCommandSurvivesTheShell runs the line as ssh does, with names as a
// kubeconfig may have them.
func TestProxyCommandSurvivesTheShell(t *testing.T) {
	word := `it's 100% $HOME "x"`
	line := "printf '%s\\n' " + ShellQuote(word)
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", line).Output()
	if err != nil || string(out) != word+"\n" {
		t.Errorf("the shell makes %q of %s (%v)", out, line, err)
	}
	ds := running("", "")
	ds.Namespace = "team"
	got := ProxyCommand(&cluster.Cluster{Context: "a%b c"}, ds, "--via=api")
	if want := " ssh-proxy '--context=a%%b c' --namespace=team --via=api bot"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end with %q", got, want)
	}
}

func TestParse(t *testing.T) {
	cases := map[string]Target{
		"trainer":      {"dev", "mine", "trainer"},
		"root@trainer": {"root", "mine", "trainer"},
		"@trainer":     {"dev", "mine", "trainer"},
	}
	for word, want := range cases {
		if got := Parse(word, "mine"); got != want {
			t.Errorf("Parse(%q) = %+v, want %+v", word, got, want)
		}
	}
}
