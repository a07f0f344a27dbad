package v1_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"devserver.io/devserver/internal/testing/apiserver"
)

// edit changes one field of a valid object. The value nil removes the field.
type edit struct {
	field string // "spec.owner"
	value any
}

func (e edit) apply(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	path := strings.Split(e.field, ".")
	if e.value == nil {
		unstructured.RemoveNestedField(object.Object, path...)
		return
	}
	if err := unstructured.SetNestedField(object.Object, e.value, path...); err != nil {
		t.Fatal(err)
	}
}

// parse returns the object of a YAML document.
func parse(t *testing.T, document string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
		t.Fatalf("%v in:\n%s", err, document)
	}
	return object
}

// wantRefusal checks that an object was refused for exactly one cause, with a message
// that contains words.
func wantRefusal(t *testing.T, err error, words string) {
	t.Helper()
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) {
		t.Fatalf("got error %v, want a refusal with %q", err, words)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("got %v\nwant words %q", err, words)
	}
	// The API server adds this cause to every violation of the schema.
	causes := slices.DeleteFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
		return strings.Contains(c.Message, "some validation rules were not checked")
	})
	if len(causes) != 1 {
		for _, cause := range causes {
			t.Logf("cause: %s", cause.Message)
		}
		t.Errorf("got %d causes, want one", len(causes))
	}
}

// try returns a function that creates objects with a dry run.
func try(t *testing.T) func(*unstructured.Unstructured) error {
	c := client.NewDryRunClient(apiserver.Client(t))
	ns := apiserver.Namespace(t)
	return func(object *unstructured.Unstructured) error {
		if namespaced, err := c.IsObjectNamespaced(object); err != nil {
			return fmt.Errorf("finding %s: %w", object.GroupVersionKind(), err)
		} else if namespaced {
			object.SetNamespace(ns)
		}
		return c.Create(t.Context(), object)
	}
}

// decode reads an object into its Go type.
func decode(t *testing.T, object *unstructured.Unstructured, into any) {
	t.Helper()
	raw, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("decoding what the API server accepted: %v", err)
	}
}
