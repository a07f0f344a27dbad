package cli

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/apiserver"
)

// program builds devctl as it is shipped.
func program(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "devctl")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w", "-o", path, "devserver.io/devserver/cmd/devctl")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return path
}

func run1(b *testing.B, path string, args ...string) []byte {
	out, err := exec.Command(path, args...).Output()
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// BenchmarkHelp is the start of the program, and all that it does without a
// cluster.
func BenchmarkHelp(b *testing.B) {
	path := program(b)
	for b.Loop() {
		run1(b, path, "--help")
	}
}

// BenchmarkList lists a thousand DevServers of a real API server, each with the
// status that one has that runs: the whole program, from start to end.
func BenchmarkList(b *testing.B) {
	const servers = 1000
	path := program(b)
	c, ns := apiserver.Client(b), apiserver.Namespace(b)
	for i := range servers {
		ds := newDevServer(b, ns)
		ds.Name = fmt.Sprintf("bot-%d", i)
		if err := c.Create(b.Context(), ds); err != nil {
			b.Fatal(err)
		}
		ds.Status = devserverv1.DevServerStatus{
			Phase: devserverv1.PhaseRunning, Flavor: "gpu-large", NodeName: "node-7", PodName: ds.Name + "-0", PodIP: "10.0.0.7",
			SSH: &devserverv1.SSHStatus{Host: "192.0.2.10", Port: 31022, Command: "ssh -p 31022 -o HostKeyAlias=" + ds.Name + " dev@192.0.2.10", HostKey: ds.Spec.SSH.PublicKey},
		}
		for _, kind := range []string{devserverv1.ConditionReady, devserverv1.ConditionAccepted, devserverv1.ConditionActive, devserverv1.ConditionRestartPending, devserverv1.ConditionResizePending} {
			ds.Status.Conditions = append(ds.Status.Conditions, metav1.Condition{
				Type: kind, Status: metav1.ConditionTrue, Reason: "AsItShould", Message: "All is as it should be, and there is nothing more to say.", LastTransitionTime: metav1.Now(),
			})
		}
		if err := c.Status().Update(b.Context(), ds); err != nil {
			b.Fatal(err)
		}
	}
	kubeconfig := filepath.Join(b.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(kubeconfigFor(apiserver.Config(b), ns), kubeconfig); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if out := run1(b, path, "list", "--kubeconfig", kubeconfig); len(out) < servers*20 {
			b.Fatalf("the list is too short:\n%s", out)
		}
	}
}
