package e2e

import (
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
)

// refusal is an edit that makes a DevServer invalid, and a part of the one message
// that the API server returns.
type refusal struct {
	path  string // of the field, "spec.owner"
	value any    // nil removes the field
	words string
}

// TestRefusedAtAdmission: the API server refuses invalid input with one message,
// and no DevServer is created.
func TestRefusedAtAdmission(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key, key2 := s.key.Public, s.newKey("second", "ed25519").Public
	keyWords, sizeWords, nameWords := "publicKey", "persistentHomeSize", "metadata.name"
	for name, c := range map[string]refusal{
		"malformed key":          {"spec.ssh.publicKey", "ssh-ed25519 !!!", keyWords},
		"key without a type":     {"spec.ssh.publicKey", strings.Fields(key)[1], keyWords},
		"unknown type":           {"spec.ssh.publicKey", "ssh-dss AAAAB3NzaC1kc3M=", keyWords},
		"two lines":              {"spec.ssh.publicKey", key + "\n" + key2, keyWords},
		"trailing carriage":      {"spec.ssh.publicKey", key + "\r", keyWords},
		"options":                {"spec.ssh.publicKey", `command="/bin/sh" ` + key, keyWords},
		"option without a value": {"spec.ssh.publicKey", "no-pty " + key, keyWords},
		"private key":            {"spec.ssh.publicKey", "-----BEGIN OPENSSH PRIVATE KEY-----", keyWords},
		"no key":                 {"spec.ssh.publicKey", nil, "publicKey"},
		"bad further key":        {"spec.ssh.publicKeys", []any{"nonsense"}, "publicKeys"},
		"size without sense":     {"spec.persistentHomeSize", "large", sizeWords},
		"size of zero":           {"spec.persistentHomeSize", "0", sizeWords},
		"negative size":          {"spec.persistentHomeSize", "-1Gi", sizeWords},
		"size Go cannot decode":  {"spec.persistentHomeSize", "1e5.5", sizeWords},
		"huge size":              {"spec.persistentHomeSize", "5000Pi", sizeWords},
		"long name":              {"metadata.name", strings.Repeat("x", 51), nameWords},
		"digit first":            {"metadata.name", "1server", nameWords},
		"dots":                   {"metadata.name", "my.server", nameWords},
		"no owner":               {"spec.owner", nil, "spec.owner"},
		"owner with a space":     {"spec.owner", "two words", "owner"},
		"type of Service":        {"spec.ssh.service", map[string]any{"type": "Ingress"}, `Unsupported value: "Ingress"`},
		"env without a name":     {"spec.env", []any{map[string]any{"name": "1X", "value": "y"}}, "spec.env[0].name"},
	} {
		s.sub(strings.ReplaceAll(name, " ", "-"), func(s *site) { refused(s, c) })
	}
	s.Cleanup(func() {
		var list v1.DevServerList
		if err := s.c.List(s.bounded(), &list, client.InNamespace(s.ns)); err == nil && len(list.Items) != 0 {
			s.Errorf("%d DevServers were created", len(list.Items))
		}
	})
}

func refused(s *site, c refusal) {
	good, err := runtime.DefaultUnstructuredConverter.ToUnstructured(s.devServer("server"))
	if err != nil {
		s.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: good}
	u.SetGroupVersionKind(v1.GroupVersion.WithKind("DevServer"))
	fields := strings.Split(c.path, ".")
	if c.value == nil {
		unstructured.RemoveNestedField(u.Object, fields...)
	} else if err := unstructured.SetNestedField(u.Object, c.value, fields...); err != nil {
		s.Fatal(err)
	}
	err = s.c.Create(s.Context(), u)
	oneCause(s, err, c.words)
	if err == nil {
		s.delete(u)
	}
}

// oneCause checks that the API server refused an object for exactly one cause, and
// that its message contains the words.
func oneCause(s *site, err error, words string) {
	s.Helper()
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		s.Errorf("accepted, or refused for another reason: %v", err)
		return
	}
	if !strings.Contains(err.Error(), words) {
		s.Errorf("%v\ndoes not contain %q", err, words)
	}
	causes := slices.DeleteFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
		// Kubernetes adds this after a field of the wrong type or a missing field.
		return strings.Contains(c.Message, "some validation rules were not checked")
	})
	if len(causes) != 1 {
		s.Errorf("%d causes, want one: %+v", len(causes), causes)
	}
}

// TestRefusedServices: with the chart's default values, a DevServer cannot have a Service
// on which other controllers act.
func TestRefusedServices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for words, service := range map[string]v1.SSHServiceSpec{
		"spec.ssh.service.type must be NodePort, ClusterIP or None in this cluster, not LoadBalancer":     {Type: v1.SSHServiceLoadBalancer},
		"spec.ssh.service.annotations must not contain external-dns.alpha.kubernetes.io/hostname in this": {Annotations: map[string]v1.AnnotationValue{"external-dns.alpha.kubernetes.io/hostname": "login.example.com"}},
	} {
		ds := s.devServer("server")
		ds.Spec.SSH.Service = service
		if err := s.c.Create(s.Context(), ds); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), words) {
			s.Errorf("%v, want a refusal: %s", err, words)
		}
	}
}

// TestRefusedChanges: invalid changes are refused, and the server keeps running.
func TestRefusedChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	generation := b.ds.Generation
	for patch, words := range map[string]string{
		`{"spec":{"owner":"somebody-else"}}`:        "owner",
		`{"spec":{"persistentHomeSize":"0"}}`:       "persistentHomeSize",
		`{"spec":{"ssh":{"publicKey":"nonsense"}}}`: "publicKey",
	} {
		err := s.c.Patch(s.Context(), b.ds.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))
		if err == nil || !strings.Contains(err.Error(), words) {
			s.Errorf("%s: %v, want %q", patch, err, words)
		}
	}
	if s.get(b.ds); b.ds.Generation != generation || !meta.IsStatusConditionTrue(b.ds.Status.Conditions, v1.ConditionReady) {
		s.Error("a refused change had an effect")
	}
}

// TestRefusedFlavors: invalid changes of a flavor are refused.
func TestRefusedFlavors(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, c := range map[string]struct{ patch, words string }{
		"negative":      {`{"spec":{"resources":{"requests":{"memory":"-1Gi"}}}}`, "resources.requests"},
		"without sense": {`{"spec":{"resources":{"limits":{"cpu":"many"}}}}`, "resources.limits"},
	} {
		flavor := &v1.DevServerFlavor{}
		flavor.Name = s.flavor
		err := s.c.Patch(s.Context(), flavor, client.RawPatch("application/merge-patch+json", []byte(c.patch)))
		if err == nil || !strings.Contains(err.Error(), c.words) {
			s.Errorf("%s: %v, want %q", name, err, c.words)
		}
	}
}
