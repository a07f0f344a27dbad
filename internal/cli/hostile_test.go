package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/testing/hostile"
	"devserver.io/devserver/internal/testing/sshserver"
)

// hostileArgs are the arguments with which each command runs against hostile objects. A
// new command has none: give it some that make it print as much as it can.
var hostileArgs = map[string][]string{
	"":                      {"", "--help", "--version", "nonsense"},
	"code":                  {"trainer --start --timeout TIMEOUT --yes --editor true", "trainer --timeout TIMEOUT --editor true"},
	"completion":            {""},
	"completion bash":       {""},
	"completion fish":       {""},
	"completion kubectl":    {""},
	"completion powershell": {""},
	"completion zsh":        {""},
	"config":                {""},
	"config get":            {"", "flavor"},
	"config path":           {""},
	"config set":            {"flavor small", "image registry.example.com/image"},
	"config unset":          {"flavor"},
	"config view":           {"", "-o yaml"},
	"cp":                    {"trainer:file . --start --timeout TIMEOUT"},
	"create": {
		"trainer --key key.pub", "other --key key.pub --flavor small --home-size 5Gi --wait --timeout TIMEOUT", "other --key key.pub --shared data --dry-run",
		"other --key key.pub -o yaml", "other --key key.pub -o json", "other --key key.pub -o name", "other --key key.pub --flavor nonsense", "other --key key.pub --storage-class x",
	},
	"delete":           {"trainer --yes", "trainer --yes --home --wait --timeout TIMEOUT", "trainer"},
	"describe":         {"trainer", "trainer -o json", "trainer -o yaml", "trainer -o name"},
	"doctor":           {"", "--admin", "-o json", "-o yaml"},
	"events":           {"trainer", "trainer -o wide", "trainer -o json", "trainer -o yaml", "trainer -o name", "trainer --watch", "trainer --watch -o json"},
	"extend":           {"trainer 2h"},
	"flavors":          {"", "-o wide", "-o json", "-o yaml", "-o name", "small", "nonsense"},
	"help":             {"", "list"},
	"homes":            {"", "-A -o wide", "--mine", "-o json", "-o yaml", "-o name"},
	"homes delete":     {"home-trainer-0 --yes", "home-trainer-0", "nonsense --yes"},
	"keep":             {"trainer 2h", "trainer --end"},
	"list":             {"", "-A", "-o wide", "-A -o wide", "--mine", "-o json", "-o yaml", "-o name", "--watch", "--watch -o json"},
	"logs":             {"trainer", "trainer -c ssh", "trainer -c nonsense", "trainer --previous"},
	"port-forward":     {"trainer :8080 --start --timeout TIMEOUT"},
	"resize":           {"trainer --flavor small --yes", "trainer --flavor large --home-size 2Gi --yes --wait --timeout TIMEOUT", "trainer --home-size 1Mi", "trainer --flavor nonsense"},
	"restart":          {"trainer", "trainer --wait --timeout TIMEOUT"},
	"set-image":        {"trainer registry.example.com/image --yes", "trainer registry.example.com/image --yes --wait --timeout TIMEOUT", "trainer registry.example.com/image"},
	"share":            {"trainer", "trainer --key key.pub", "trainer --user ann@example.com"},
	"ssh":              {"trainer --timeout TIMEOUT", "--start --timeout TIMEOUT trainer", "--via direct --timeout TIMEOUT trainer", "--via gateway trainer", "--via api trainer"},
	"ssh-config":       {"--print", "-A --yes --short", "-A --print --via gateway", "--print --via api", "--remove --yes"},
	"ssh-proxy":        {"trainer --start --timeout TIMEOUT --via api", "trainer --timeout TIMEOUT"},
	"start":            {"trainer", "trainer --wait --timeout TIMEOUT"},
	"stop":             {"trainer", "trainer --wait --timeout TIMEOUT"},
	"unshare":          {"trainer nonsense", "trainer --key key.pub", "trainer ann@laptop"},
	"users":            {""},
	"users create":     {"ann --owner ann@example.com --key key.pub --timeout TIMEOUT", "bob --owner bob@example.com --timeout TIMEOUT"},
	"users delete":     {"ann --yes", "ann"},
	"users kubeconfig": {"ann --file - --timeout TIMEOUT", "nobody --timeout TIMEOUT"},
	"users list":       {"", "-o wide", "-o json", "-o yaml", "-o name"},
	"version":          {"", "-o json", "-o yaml"},
	"wait":             {"trainer --timeout TIMEOUT"},
	"why":              {"trainer", "trainer --live"},
}

// hostileBytes are the commands whose output is not text for a person, and why. What they
// print on ErrOut is.
var hostileBytes = map[string]string{
	"logs": "a file or a pipe gets what the container wrote",
}

// TestNoOutputAttacksTheTerminal runs every command against a cluster in which every
// string of every object, and every error, is hostile. It finds the commands itself: one
// that is not in hostileArgs fails it.
func TestNoOutputAttacksTheTerminal(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home)
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, "config"), "XDG_STATE_HOME": filepath.Join(home, "state"),
		"KUBECONFIG": filepath.Join(home, "kubeconfig"), "SSH_AUTH_SOCK": "", "PATH": programs(t, "true"),
	} {
		t.Setenv(name, value)
	}
	key := strings.TrimSpace(authorized(sshserver.WriteKey(t, filepath.Join(home, "key")).PublicKey()))
	if err := os.WriteFile("key.pub", []byte(key+" ann@laptop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &hostileCluster{t: t, key: key, kinds: map[string]schema.GroupVersionKind{}}
	for gvk := range cluster.Scheme().AllKnownTypes() {
		plural, _ := meta.UnsafeGuessKindToResource(gvk)
		h.kinds[gvk.Group+"/"+plural.Resource] = gvk
	}
	server := httptest.NewServer(h)
	defer server.Close()
	to := *clientcmdapi.NewConfig()
	to.Clusters["c"] = &clientcmdapi.Cluster{Server: server.URL}
	const placeholder = "HOSTILE"
	for name, namespace := range map[string]string{"x": "team", placeholder: placeholder} {
		to.Contexts[name] = &clientcmdapi.Context{Cluster: "c", Namespace: namespace}
	}
	to.CurrentContext = "x"
	text, err := clientcmd.Write(to)
	if err == nil { // The library does not write a file that it would read.
		err = os.WriteFile("kubeconfig", bytes.ReplaceAll(text, []byte(placeholder), []byte(strconv.QuoteToASCII(hostile.Text))), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	commands, shown := everyCommand(NewCommand("devctl", genericiooptions.IOStreams{})), map[string]bool{}
	for _, w := range hostileWorlds() {
		h.world.Store(&w)
		for _, path := range slices.Sorted(maps.Keys(commands)) {
			cmd := commands[path]
			lines, ok := hostileArgs[path]
			if !ok {
				t.Fatalf("hostileArgs has no arguments for devctl %s", path)
			}
			if w.shape != nil && local(path) {
				lines = nil // It prints the same in all worlds.
			}
			for _, line := range lines {
				line = strings.ReplaceAll(line, "TIMEOUT", w.timeout())
				text := devctl(t, w.name, path, append(strings.Fields(path), strings.Fields(line)...))
				shown[path] = shown[path] || strings.Contains(text, ofCluster)
			}
			if w.completes {
				completions(t, w.name, path, cmd)
			}
		}
	}
	for path := range hostileArgs {
		switch _, ok := commands[path]; {
		case !ok:
			t.Errorf("devctl %s does not exist", path)
		case !shown[path] && !local(path):
			t.Errorf("devctl %s printed nothing that the cluster answered: its arguments test nothing", path)
		}
	}
}

// local tells whether a command prints nothing of the cluster.
func local(path string) bool {
	group, _, _ := strings.Cut(path, " ")
	return slices.Contains([]string{"", "completion", "config", "help", "users"}, path) || group == "completion" || group == "config"
}

// TestACommandThatForgetsIsGuarded: a command that prints a value with fmt cannot act on
// the terminal either.
func TestACommandThatForgetsIsGuarded(t *testing.T) {
	var out, errOut bytes.Buffer
	root := NewCommand("devctl", genericiooptions.IOStreams{Out: &out, ErrOut: &errOut})
	root.AddCommand(&cobra.Command{Use: "forgetful", RunE: func(cmd *cobra.Command, _ []string) error {
		fmt.Fprint(cmd.OutOrStdout(), strings.ReplaceAll(hostile.Text, "\n", ""))
		fmt.Fprint(cmd.ErrOrStderr(), strings.ReplaceAll(hostile.Text, "\n", ""))
		return nil
	}})
	root.SetArgs([]string{"forgetful"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{out.String(), errOut.String()} {
		if text == "" {
			t.Error("nothing was printed")
		}
		for _, fault := range hostile.Faults(text, "\t") {
			t.Error(fault)
		}
	}
}

// everyCommand returns a command and those below it, by their paths without the program.
func everyCommand(cmd *cobra.Command) map[string]*cobra.Command {
	cmd.InitDefaultHelpCmd()
	all := map[string]*cobra.Command{}
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		_, path, _ := strings.Cut(c.CommandPath(), " ")
		all[path] = c
		for _, below := range c.Commands() {
			add(below)
		}
	}
	add(cmd)
	return all
}

// ofCluster is in the output of a command that prints what the cluster answered.
const ofCluster = "title"

// devctl runs a command, reports what its output would do to a terminal, and returns it.
func devctl(t *testing.T, world, path string, args []string) string {
	t.Helper()
	length := time.Minute
	if slices.Contains(args, "--watch") {
		length = 100 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var out, errOut bytes.Buffer
	run(ctx, "devctl", args, genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut})
	if hostileBytes[path] != "" {
		out.Reset()
	}
	but := ""
	if slices.Contains(args, "completion") || slices.Contains(args, "__complete") {
		but = "\t"
	}
	for _, text := range []string{out.String(), errOut.String()} {
		for _, fault := range hostile.Faults(text, but) {
			t.Errorf("%s: devctl %s: %s", world, strings.Join(args, " "), fault)
		}
	}
	return out.String() + errOut.String()
}

// completions completes the arguments and the flags of a command.
func completions(t *testing.T, world, path string, cmd *cobra.Command) {
	t.Helper()
	complete := func(typed ...string) {
		words := slices.Concat([]string{"__complete"}, strings.Fields(path), typed)
		for line := range strings.Lines(devctl(t, world, "", words)) {
			if name, _, _ := strings.Cut(line, "\t"); strings.Contains(name, ofCluster) {
				t.Errorf("%s: devctl %s proposes %q, which a user cannot type", world, strings.Join(words, " "), name)
			}
		}
	}
	complete("")
	complete("trainer", "")
	each := func(flag *pflag.Flag) {
		if flag.Value.Type() != "bool" {
			complete("--"+flag.Name, "")
		}
	}
	cmd.NonInheritedFlags().VisitAll(each)
	if path == "list" {
		cmd.InheritedFlags().VisitAll(each)
	}
}

// programs returns a folder with these programs of this machine and no others: ssh would
// replace the test.
func programs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// hostileWorld is what the cluster answers.
type hostileWorld struct {
	name string
	// shape gives some fields of a hostile object values with which commands get further;
	// nil leaves all of them hostile.
	shape func(object client.Object, key string)
	// refusal is the answer to all requests, if it is set.
	refusal *metav1.Status
	// completes is set for those in which completions differ.
	completes bool
}

// timeout is how long commands wait. Nothing ever changes. An error ends the wait at once.
func (w hostileWorld) timeout() string {
	if w.refusal != nil {
		return "1m"
	}
	return "50ms"
}

func hostileWorlds() []hostileWorld {
	worlds := []hostileWorld{{name: "everything", completes: true}}
	for _, w := range []struct {
		phase  devserverv1.DevServerPhase
		status metav1.ConditionStatus
		reason string
	}{
		{devserverv1.PhaseRunning, metav1.ConditionTrue, devserverv1.ReasonAnswering},
		{devserverv1.PhaseSuspended, metav1.ConditionFalse, devserverv1.ReasonIdle},
		{devserverv1.PhaseExpired, metav1.ConditionFalse, devserverv1.ReasonExpired},
		{devserverv1.PhasePending, metav1.ConditionFalse, devserverv1.ReasonUnschedulable},
		{devserverv1.PhasePending, metav1.ConditionFalse, devserverv1.ReasonQuotaExceeded},
		{devserverv1.PhaseFailed, metav1.ConditionFalse, devserverv1.ReasonImagePullFailed},
		{devserverv1.PhaseFailed, metav1.ConditionFalse, devserverv1.ReasonCrashLoop},
		{"", metav1.ConditionFalse, devserverv1.ReasonStarting},
	} {
		worlds = append(worlds, hostileWorld{
			name:      fmt.Sprintf("%s %s", w.phase, w.reason),
			completes: w.phase == devserverv1.PhaseRunning,
			shape:     func(object client.Object, key string) { shape(object, key, w.phase, w.status, w.reason) },
		})
	}
	for _, refusal := range []metav1.StatusReason{
		metav1.StatusReasonForbidden, metav1.StatusReasonInvalid, metav1.StatusReasonNotFound, metav1.StatusReasonConflict, metav1.StatusReasonUnauthorized, metav1.StatusReasonUnknown,
	} {
		status := &metav1.Status{}
		hostile.Fill(status)
		status.TypeMeta, status.Status, status.Reason, status.Code = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, metav1.StatusFailure, refusal, codes[refusal]
		worlds = append(worlds, hostileWorld{name: "refused: " + string(refusal), refusal: status})
	}
	return worlds
}

var codes = map[metav1.StatusReason]int32{
	metav1.StatusReasonForbidden: 403, metav1.StatusReasonInvalid: 422, metav1.StatusReasonNotFound: 404,
	metav1.StatusReasonConflict: 409, metav1.StatusReasonUnauthorized: 401, metav1.StatusReasonUnknown: 400,
}

// shape gives the fields that commands decide by the values of a server in a state. key is
// a valid public key.
func shape(object client.Object, key string, phase devserverv1.DevServerPhase, status metav1.ConditionStatus, reason string) {
	conditions := func(kinds ...string) (all []metav1.Condition) {
		for _, kind := range kinds {
			all = append(all, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: hostile.Text, Message: hostile.Text, LastTransitionTime: metav1.Now()})
		}
		return all
	}
	// A key with a control character in its comment is refused: it has all the others.
	commented := key + " " + strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, hostile.Text)
	switch o := object.(type) {
	case *devserverv1.DevServer:
		o.Generation, o.Status.ObservedGeneration = 1, 1
		o.Spec.Flavor, o.Status.Flavor = "small", "small"
		o.Spec.SSH.PublicKey, o.Spec.SSH.PublicKeys = commented, []string{commented, hostile.Text}
		o.Spec.Home.ClaimName, o.Spec.Home.Ephemeral = "", false
		o.Status.Phase = phase
		o.Status.SSH.Host, o.Status.SSH.Port, o.Status.SSH.HostKey = "127.0.0.1", 1, commented
		o.Status.SSH.Gateway.Host, o.Status.SSH.Gateway.Port, o.Status.SSH.Gateway.HostKey = "127.0.0.1", 1, commented
		o.Status.Conditions = append(conditions(
			devserverv1.ConditionActive, devserverv1.ConditionHomeFull, devserverv1.ConditionRestartPending, devserverv1.ConditionResizePending, devserverv1.ConditionStopPending, hostile.Text,
		), metav1.Condition{Type: devserverv1.ConditionReady, Status: status, Reason: reason, Message: hostile.Text, LastTransitionTime: metav1.Now()})
		if phase == devserverv1.PhaseExpired {
			o.Spec.Suspend = true
		}
	case *devserverv1.DevServerFlavor:
		o.Spec.Default = true
		o.Status.Conditions = conditions(devserverv1.ConditionReady, devserverv1.ConditionSchedulable)
		o.Spec.HomeSize = nil
	case *devserverv1.DevServerUser:
		o.Spec.Username, o.Status.Namespace = "ann", "dev-ann"
		o.Spec.PublicKeys = []string{commented, hostile.Text}
	case *corev1.Event:
		o.InvolvedObject.Kind, o.Type = "Pod", corev1.EventTypeWarning
	case *corev1.Pod:
		server := o.Status.ContainerStatuses[0]
		server.Name, server.State.Running = objects.ServerContainer, nil
		other := *server.DeepCopy()
		other.Name = objects.SSHContainer
		o.Status.ContainerStatuses = []corev1.ContainerStatus{server, other, o.Status.ContainerStatuses[0]}
		o.Status.Phase = corev1.PodPending
	case *corev1.PersistentVolumeClaim:
		o.Status.Phase, o.Status.Capacity = corev1.ClaimBound, o.Spec.Resources.Requests
		o.Annotations = map[string]string{objects.AnnotationOwner: hostile.Text, hostile.Text: hostile.Text}
		o.Labels = map[string]string{objects.LabelName: objects.Name}
	case *corev1.Node:
		o.Status.NodeInfo.OperatingSystem = string(corev1.Linux)
	case *storagev1.StorageClass:
		o.Annotations = map[string]string{cluster.DefaultClassAnnotation: "true"}
	}
}

// hostileCluster answers as an API server does. All objects that a client asks for exist.
type hostileCluster struct {
	t     *testing.T
	key   string
	kinds map[string]schema.GroupVersionKind // by group/resource
	world atomic.Pointer[hostileWorld]
}

func (h *hostileCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refusal := h.world.Load().refusal; refusal != nil {
		h.reply(w, int(refusal.Code), refusal)
		return
	}
	words := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	group := ""
	switch {
	case words[0] == "version":
		h.reply(w, 200, map[string]string{"gitVersion": hostile.Text})
		return
	case words[0] == "apis" && len(words) == 3:
		var list metav1.APIResourceList
		hostile.Fill(&list)
		h.reply(w, 200, list)
		return
	case words[0] == "apis":
		group, words = words[1], words[3:]
	default:
		words = words[2:]
	}
	if len(words) > 2 && words[0] == "namespaces" {
		words = words[2:]
	}
	gvk, ok := h.kinds[group+"/"+words[0]]
	if !ok {
		h.t.Errorf("the resource of %s is unknown", r.URL)
	}
	name, part := "", ""
	if len(words) > 1 {
		name = words[1]
	}
	if len(words) > 2 {
		part = words[2]
	}
	switch {
	case part == "log":
		_, _ = fmt.Fprintln(w, hostile.Text)
	case part == "portforward":
		status := metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Message: hostile.Text, Reason: metav1.StatusReasonBadRequest, Code: 400}
		h.reply(w, 400, status)
	case r.Method == http.MethodGet && name == "other":
		h.reply(w, 404, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: 404, Details: &metav1.StatusDetails{Name: name}})
	case r.Method == http.MethodGet && r.URL.Query().Get("watch") != "":
		h.watch(w, r, gvk)
	case r.Method == http.MethodGet && name == "":
		list := map[string]any{"kind": gvk.Kind + "List", "apiVersion": gvk.GroupVersion().String(), "metadata": map[string]any{"resourceVersion": "1"}, "items": []any{h.object(gvk, "")}}
		h.reply(w, 200, list)
	default:
		h.reply(w, 200, h.object(gvk, name))
	}
}

// object is a hostile object. Without a name, it has the one of the objects that the
// arguments name.
func (h *hostileCluster) object(gvk schema.GroupVersionKind, name string) runtime.Object {
	object, err := cluster.Scheme().New(gvk)
	if err != nil {
		h.t.Fatal(err)
	}
	hostile.Fill(object)
	object.GetObjectKind().SetGroupVersionKind(gvk)
	o, ok := object.(client.Object)
	if !ok {
		return object
	}
	o.SetResourceVersion("1")
	shape := h.world.Load().shape
	if shape == nil {
		return object
	}
	if name == "" {
		name = map[string]string{"DevServer": "trainer", "DevServerFlavor": "small", "DevServerUser": "ann", "PersistentVolumeClaim": "home-trainer-0", "Pod": "trainer-0"}[gvk.Kind]
	}
	if name != "" {
		o.SetName(name)
		o.SetNamespace("team")
	}
	shape(o, h.key)
	return object
}

// watch sends an object, that there are no others, and nothing more.
func (h *hostileCluster) watch(w http.ResponseWriter, r *http.Request, gvk schema.GroupVersionKind) {
	object := h.object(gvk, "")
	change := func(kind string, object any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": object})
	}
	w.Header().Set("Content-Type", "application/json")
	change("ADDED", object)
	if o, ok := object.DeepCopyObject().(client.Object); ok {
		o.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
		change("BOOKMARK", o)
	}
	_ = http.NewResponseController(w).Flush() // The client may have gone.
	<-r.Context().Done()
}

func (h *hostileCluster) reply(w http.ResponseWriter, code int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object) // The client may have gone.
}
