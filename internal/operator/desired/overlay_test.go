package desired_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"devserver.io/devserver/internal/operator/desired"
)

func withOverlay(text string) func(*desired.Input) {
	return func(in *desired.Input) {
		raw, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			panic(err)
		}
		in.Flavor.Spec.PodTemplate = &runtime.RawExtension{Raw: raw}
	}
}

var overlay = withOverlay(`
metadata:
  annotations: {example.com/device: yes-please}
spec:
  hostAliases: [{ip: 10.0.0.1, hostnames: [registry]}]
  terminationGracePeriodSeconds: 120
  containers:
  - name: devserver
    env: [{name: TIER, value: overlay}]
    securityContext: {capabilities: {add: [SYS_PTRACE]}}
    volumeMounts: [{name: scratch, mountPath: /scratch}]
  - name: sidecar
    image: example.com/sidecar
  volumes: [{name: scratch, emptyDir: {}}]
`)

// hostile takes away all that it can.
var hostile = withOverlay(`
metadata:
  labels: {app.kubernetes.io/instance: other}
  annotations: {devserver.io/settings: "{}"}
spec:
  restartPolicy: Never
  shareProcessNamespace: true
  securityContext: {runAsUser: 0, runAsGroup: 0, fsGroup: 0}
  initContainers:
  - name: prepare
    image: example.com/evil
    command: [/evil]
  containers:
  - name: devserver
    image: example.com/evil
    command: [/evil]
    args: [more]
    securityContext: {runAsUser: 0}
    livenessProbe: {tcpSocket: {port: 1}}
    readinessProbe: {tcpSocket: {port: 1}}
    ports: [{containerPort: 2222, name: other}, {containerPort: 22, name: ssh}, {containerPort: 2223}]
    volumeMounts: [{name: shm, mountPath: /home/dev}, {name: ssh, mountPath: /keys}, {name: agent-run, mountPath: /sockets}]
  - name: ssh
    image: example.com/evil
    command: [/evil]
    args: [more]
    securityContext: {runAsUser: 1000, runAsNonRoot: false, readOnlyRootFilesystem: false, privileged: true}
    env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]
    resources: {limits: {memory: 1Mi}}
    ports: [{containerPort: 22, name: ssh}]
    livenessProbe: {tcpSocket: {port: 1}}
    volumeMounts: [{name: home, mountPath: /home/dev}]
  volumes: [{name: ssh, emptyDir: {}}, {name: agent, hostPath: {path: /}}]
`)

// TestOverlayCannotDrop: with the hostile overlay the pod is as without any.
func TestOverlayCannotDrop(t *testing.T) {
	want, got := render(t, input()), render(t, input(hostile))
	if want != got {
		t.Errorf("the overlay changed the pod from\n%s\nto\n%s", want, got)
	}
	gone := withOverlay(`{spec: {containers: null, volumes: null, initContainers: null, securityContext: null}}`)
	text := render(t, input(gone))
	for _, needed := range []string{"name: devserver", "name: prepare", "name: ssh", "runAsUser: 65532", "secretName: trainer-ssh", "runAsUser: 1000", "readinessProbe"} {
		if !strings.Contains(text, needed) {
			t.Errorf("the overlay took %q away:\n%s", needed, text)
		}
	}
}

// TestOverlayCannotFreeRoot: with an overlay that would give root the node, or
// take it away, a pod with root is as without any.
func TestOverlayCannotFreeRoot(t *testing.T) {
	want := render(t, input(root))
	for _, text := range []string{
		`{spec: {hostUsers: true, containers: [{name: devserver, securityContext: {runAsUser: 1000, runAsGroup: 1000}}]}}`,
		`{spec: {hostUsers: null, containers: [{name: devserver, securityContext: null}]}}`,
	} {
		if got := render(t, input(root, withOverlay(text))); got != want {
			t.Errorf("the overlay %s changed the pod from\n%s\nto\n%s", text, want, got)
		}
	}
	// Without root, a user namespace is the admin's to ask for.
	if got := render(t, input(withOverlay(`{spec: {hostUsers: false}}`))); !strings.Contains(got, "hostUsers: false") {
		t.Errorf("the pod has no user namespace:\n%s", got)
	}
}

// TestOverlayAddsNoKeys: a sidecar cannot have the volumes of the SSH server.
func TestOverlayAddsNoKeys(t *testing.T) {
	text := render(t, input(withOverlay(`{spec: {initContainers: [{name: first, image: x, volumeMounts: [{name: ssh, mountPath: /keys}]}], containers: [{name: sidecar, image: x, volumeMounts: [{name: agent-run, mountPath: /sockets}, {name: home, mountPath: /kept}]}]}}`)))
	for mount, want := range map[string]bool{"/keys": false, "/sockets": false, "/kept": true} {
		if strings.Contains(text, "mountPath: "+mount) != want {
			t.Errorf("the mount at %s is in the pod: %t, want %t:\n%s", mount, !want, want, text)
		}
	}
}

func render(t *testing.T, in desired.Input) string {
	t.Helper()
	set, err := desired.StatefulSet(in)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(set.Spec.Template)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOverlayRefused(t *testing.T) {
	for text, says := range map[string]string{
		`{spec: {hostAlias: []}}`:                                              `unknown field "spec.hostAlias"`,
		`{spec: {containers: [{image: x}]}}`:                                   "name",
		`{spec: {containers: x}}`:                                              "containers",
		`{spec: {containers: [{name: x, $patch: delete}]}}`:                    `unknown field "spec.containers[0].$patch"`,
		`{spec: {terminationGracePeriodSeconds: long}}`:                        "terminationGracePeriodSeconds",
		`{spec: {volumes: [{emptyDir: {}}]}}`:                                  "name",
		`{spec: {containers: [{name: devserver, volumeMounts: [{name: x}]}]}}`: "mountPath",
	} {
		_, err := desired.Objects(input(withOverlay(text)))
		var overlay *desired.OverlayError
		if !errors.As(err, &overlay) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "DevServerFlavor cpu-small") {
			t.Errorf("%s: got %v, want words %q", text, err, says)
		}
	}
}
