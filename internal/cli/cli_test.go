package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	apiwait "k8s.io/apimachinery/pkg/util/wait"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/apiserver"
	"devserver.io/devserver/internal/testing/sshserver"
)

// tests adapts apiserver.Run to the *testing.M that testscript expects.
type tests struct{ m *testing.M }

func (r tests) Run() int { return apiserver.Run(r.m) }

func TestMain(m *testing.M) {
	devctl := func() { os.Exit(Main(os.Args)) }
	testscript.Main(tests{m}, map[string]func(){"devctl": devctl, "kubectl-devserver": devctl})
}

// TestScripts runs testdata/script against a real API server and with the real
// OpenSSH client. No operator runs: the scripts write what it would write. NS is
// the script's own namespace.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":       exits,
			"create":      createDevServer,
			"delete":      remove,
			"status":      setStatus,
			"ssh-status":  setSSH,
			"pod-status":  setPod,
			"await-print": awaitPrint,
			"lease":       makeLease,
			"print-lease": printLease,
			"expire":      expire,
			"max-keep":    maxKeep,
			"provisioned": provisioned,

			"flavor":        makeFlavor,
			"use-flavor":    useFlavor,
			"claim":         makeClaim,
			"quota":         makeQuota,
			"person":        makePerson,
			"person-key":    personKey,
			"may-edit":      mayEdit,
			"publish-key":   publishKey,
			"serve-github":  serveGitHub,
			"expires-in":    expiresIn,
			"restarted":     restarted,
			"remove-pod":    removePod,
			"claim-deleted": claimDeleted,
			"storage-class": makeStorageClass,
			"resize":        setResize,

			"open-terminal":   openTerminal,
			"narrow-terminal": narrowTerminal,
			"type":            typeKeys,
			"shows":           shows,
			"kubelet":         runKubelet,
			"fail-prepare":    failPrepare,
			"portless":        portless,
			"happen":          happen,
		},
	})
}

// stage is what the commands of a script work with.
type stage struct {
	t       testing.TB
	client  client.Client
	ns      string
	key     ssh.PublicKey
	server  *sshserver.Server
	hostKey string
	// terminals is the number of opened terminals.
	terminals int
}

type stageKey struct{}

func setUp(env *testscript.Env) error {
	t := env.T().(testing.TB)
	s := &stage{t: t, client: apiserver.Client(t), ns: apiserver.Namespace(t)}
	s.key = sshserver.WriteKey(t, filepath.Join(env.WorkDir, "key")).PublicKey()
	if err := os.WriteFile(filepath.Join(env.WorkDir, "key.pub"), []byte(authorized(s.key)+" ann@laptop\n"), 0o600); err != nil {
		return err
	}
	s.server = sshserver.New(t, s.key)
	s.hostKey = authorized(s.server.HostKey)
	env.Values[stageKey{}] = s
	kubeconfig := filepath.Join(env.WorkDir, "kubeconfig")
	env.Setenv("NS", s.ns)
	env.Setenv("KUBECONFIG", kubeconfig)
	env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
	if err := reachHome(env); err != nil {
		return err
	}
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
	return clientcmd.WriteToFile(kubeconfigFor(apiserver.Config(t), s.ns), kubeconfig)
}

func kubeconfigFor(c *rest.Config, namespace string) clientcmdapi.Config {
	to := *clientcmdapi.NewConfig()
	to.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://" + strings.TrimPrefix(c.Host, "https://"), CertificateAuthorityData: c.CAData}
	to.AuthInfos["u"] = &clientcmdapi.AuthInfo{ClientCertificateData: c.CertData, ClientKeyData: c.KeyData}
	to.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u", Namespace: namespace}
	to.AuthInfos["stranger"] = to.AuthInfos["u"].DeepCopy()
	to.AuthInfos["stranger"].Impersonate, to.AuthInfos["stranger"].ImpersonateGroups = "stranger", []string{"system:authenticated"}
	to.Contexts["stranger"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "stranger", Namespace: namespace}
	to.Contexts["away"] = &clientcmdapi.Context{Cluster: "away", AuthInfo: "u"}
	to.Clusters["away"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:1"}
	to.AuthInfos["ann"] = &clientcmdapi.AuthInfo{ClientCertificateData: c.CertData, ClientKeyData: c.KeyData, Impersonate: "ann@example.com"}
	to.Contexts["ann"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "ann"}
	to.Contexts["nowhere"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	to.Contexts["again"] = to.Contexts["x"]
	to.CurrentContext = "x"
	return to
}

func authorized(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// exits runs a command: exits CODE devctl ARGS...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if ended, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%v: exit code %d, want %s", args[1:], code, args[0])
	}
}

// createDevServer creates a DevServer: create NAME
func createDevServer(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	ts.Check(s.client.Create(s.t.Context(), &devserverv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: args[0]},
		Spec: devserverv1.DevServerSpec{
			Owner:              "ann@example.com",
			SSH:                devserverv1.SSHSpec{PublicKey: authorized(s.key)},
			PersistentHomeSize: resource.MustParse("1Gi"),
		},
	}))
}

// remove deletes a DevServer: delete NAME
func remove(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	ts.Check(s.client.Delete(s.t.Context(), &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: args[0]}}))
}

func (s *stage) update(ts *testscript.TestScript, name string, change func(*devserverv1.DevServer)) {
	// devctl may write between the two.
	ts.Check(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		ds := s.devServer(ts, name)
		ds.Status.ObservedGeneration = ds.Generation
		change(ds)
		return s.client.Status().Update(s.t.Context(), ds)
	}))
}

func (s *stage) devServer(ts *testscript.TestScript, name string) *devserverv1.DevServer {
	var ds devserverv1.DevServer
	ts.Check(s.client.Get(s.t.Context(), client.ObjectKey{Namespace: s.ns, Name: name}, &ds))
	return &ds
}

// setStatus writes a status as the operator does: status NAME PHASE REASON MESSAGE...
func setStatus(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).update(ts, args[0], func(ds *devserverv1.DevServer) {
		ds.Status.Phase = devserverv1.DevServerPhase(args[1])
		ready := metav1.ConditionFalse
		if ds.Status.Phase == devserverv1.PhaseRunning {
			ready = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&ds.Status.Conditions, metav1.Condition{
			Type: devserverv1.ConditionReady, Status: ready, Reason: args[2], Message: strings.Join(args[3:], " "),
		})
	})
}

// setSSH writes the address of the server to the status: ssh-status NAME [wrong-host-key]
func setSSH(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	host, port, err := net.SplitHostPort(s.server.Address)
	ts.Check(err)
	number, err := strconv.Atoi(port)
	ts.Check(err)
	hostKey := s.hostKey
	if len(args) > 1 {
		hostKey = authorized(s.key)
	}
	s.update(ts, args[0], func(ds *devserverv1.DevServer) {
		ds.Status.SSH = &devserverv1.SSHStatus{Host: host, Port: int32(number), Command: "ssh dev@" + host, HostKey: hostKey}
	})
}

// setPod creates the pod of a DevServer, scheduled on a node: pod-status NAME NODE
func setPod(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: args[0] + "-0"},
		Spec:       corev1.PodSpec{NodeName: args[1], Containers: []corev1.Container{{Name: "devserver", Image: "x"}}},
	}
	ts.Check(s.client.Create(s.t.Context(), pod))
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
	ts.Check(s.client.Status().Update(s.t.Context(), pod))
}

// awaitPrint waits until a file, which a command in the background writes,
// contains a text: await-print FILE TEXT...
func awaitPrint(ts *testscript.TestScript, _ bool, args []string) {
	want := strings.Join(args[1:], " ")
	var content []byte
	err := apiwait.PollUntilContextTimeout(stageOf(ts).t.Context(), 10*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		content, _ = os.ReadFile(ts.MkAbs(args[0]))
		return strings.Contains(string(content), want), nil
	})
	if err != nil {
		ts.Fatalf("%s never contained %q: it has %q", args[0], want, content)
	}
}
