package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/kubelet"
)

// reachHome gives the script its own home directory. ssh itself reads the home
// directory from the user database, not from HOME.
func reachHome(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("HOME", home)
	return os.MkdirAll(filepath.Join(home, ".ssh"), 0o700)
}

// runKubelet creates the node of a DevServer's pod, with a kubelet that forwards to
// the fake server: kubelet NAME [CONTAINER...], with containers beside the server's
func runKubelet(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	kubelet := kubelet.New(s.t, s.server.Address)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}
	ts.Check(s.client.Create(s.t.Context(), node))
	// The API server outlives the test, and other tests must not see the node.
	s.t.Cleanup(func() { _ = s.client.Delete(context.Background(), node) })
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(kubelet.Port())
	ts.Check(s.client.Status().Update(s.t.Context(), node))
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: args[0] + "-0"},
		Spec: corev1.PodSpec{
			NodeName:       node.Name,
			InitContainers: []corev1.Container{{Name: "prepare", Image: "x"}},
			Containers:     []corev1.Container{{Name: "devserver", Image: "x"}},
		},
	}
	for _, name := range args[1:] {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name, Image: "x"})
	}
	ts.Check(s.client.Create(s.t.Context(), pod))
	pod.Status.Phase = corev1.PodRunning
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: "x", ImageID: "x", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
	}
	ts.Check(s.client.Status().Update(s.t.Context(), pod))
}

// failPrepare makes the init container of a server fail: fail-prepare NAME
func failPrepare(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	var pod corev1.Pod
	ts.Check(s.client.Get(s.t.Context(), types.NamespacedName{Namespace: s.ns, Name: args[0] + "-0"}, &pod))
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{
		Name: "prepare", Image: "x", ImageID: "x", RestartCount: 1,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}},
	}}
	ts.Check(s.client.Status().Update(s.t.Context(), &pod))
}

// portless removes the address of a DevServer: portless NAME
func portless(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).update(ts, args[0], func(ds *devserverv1.DevServer) { ds.Status.SSH.Host, ds.Status.SSH.Port = "", 0 })
}

// happen creates an event: happen KIND NAME REASON TIMES AGE-IN-MINUTES
func happen(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	times, err := strconv.Atoi(args[3])
	ts.Check(err)
	var last metav1.Time
	last.Time = s.devServer(ts, "bot").CreationTimestamp.Time
	minutes, err := strconv.Atoi(args[4])
	ts.Check(err)
	last.Time = last.Add(time.Duration(minutes) * time.Minute)
	ts.Check(s.client.Create(s.t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: s.ns, GenerateName: "e-"},
		InvolvedObject: corev1.ObjectReference{Kind: args[0], Namespace: s.ns, Name: args[1]},
		Type:           corev1.EventTypeNormal, Reason: args[2], Message: fmt.Sprintf("%s of\n%s.", args[2], args[1]),
		Count: int32(times), LastTimestamp: last,
	}))
}
