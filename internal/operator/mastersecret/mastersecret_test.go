package mastersecret_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/operator/mastersecret"
	"devserver.io/devserver/internal/testing/apiserver"
)

func TestMain(m *testing.M) { os.Exit(apiserver.Run(m)) }

func TestMadeOnceAndKept(t *testing.T) {
	c := apiserver.Client(t)
	// A namespace that is not there: outside a cluster the operator makes it.
	namespace := "made-" + apiserver.Namespace(t)
	first, err := mastersecret.Ensure(t.Context(), c, namespace)
	if err != nil {
		t.Fatal(err)
	}
	second, err := mastersecret.Ensure(t.Context(), c, namespace)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 32 || !bytes.Equal(first, second) {
		t.Errorf("the secret has %d bytes, and is the same at a second start: %t", len(first), bytes.Equal(first, second))
	}
	other, err := mastersecret.Ensure(t.Context(), c, apiserver.Namespace(t))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first, other) {
		t.Error("two operators have the same secret")
	}
}

func TestShortSecretIsRefusedAndLeft(t *testing.T) {
	c := apiserver.Client(t)
	namespace := apiserver.Namespace(t)
	short := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: mastersecret.Name},
		Data:       map[string][]byte{mastersecret.Key: []byte("short")},
	}
	if err := c.Create(t.Context(), short); err != nil {
		t.Fatal(err)
	}
	_, err := mastersecret.Ensure(t.Context(), c, namespace)
	if err == nil || !strings.Contains(err.Error(), "at least 32") {
		t.Errorf("a short secret gives the error %v", err)
	}
}
