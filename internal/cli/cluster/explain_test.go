package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"devserver.io/devserver/internal/cli/exit"
)

func TestWhatTheAPISaysOfAnObjectIsSaidInItsWords(t *testing.T) {
	spec := field.NewPath("spec")
	for want, faults := range map[string]field.ErrorList{
		"owner must be short":                                   {field.Invalid(spec.Child("owner"), "ann: \"x\" y", "owner must be short")},
		"persistentHomeSize cannot shrink":                      {field.Invalid(spec.Child("persistentHomeSize"), 5, "persistentHomeSize cannot shrink")},
		"spec.flavor: Too long: may not be more than 253 bytes": {field.TooLong(spec.Child("flavor"), "", 253)},
		"metadata.name must be a label":                         {field.Invalid(nil, field.OmitValueType{}, "metadata.name must be a label")},
		"a must be b; spec.c: Required value":                   {field.Invalid(spec.Child("a"), "x", "a must be b"), field.Required(spec.Child("c"), "")},
	} {
		err := Explain(apierrors.NewInvalid(schema.GroupKind{Kind: "DevServer"}, "box", faults), "creating it")
		if got := err.Error(); got != "creating it: "+want || exit.Code(err) != exit.Refused {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestARefusalTellsAQuotaFromAMissingRight(t *testing.T) {
	servers := schema.GroupResource{Group: "devserver.io", Resource: "devservers"}
	for reason, want := range map[string]string{
		"exceeded quota: one, requested: 1":                                         "exceeded quota: one, requested: 1: delete a server that nobody needs any more",
		"ValidatingAdmissionPolicy 'p' with binding 'p' denied request: not yours":  "creating it: not yours",
		`User "ann" cannot create resource "devservers" in the namespace "default"`: "ask the cluster's admin for access",
	} {
		err := Explain(apierrors.NewForbidden(servers, "box", errors.New(reason)), "creating it")
		if !strings.Contains(err.Error(), want) || exit.Code(err) != exit.Refused {
			t.Errorf("%s: got %q, want %q", reason, err, want)
		}
	}
	if err := Explain(&apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Message: "bad"}}, "creating it"); err.Error() != "creating it: bad" {
		t.Errorf("without causes: %v", err)
	}
}

func TestWhatIsNotToBeFoundIsNamed(t *testing.T) {
	for want, err := range map[string]error{
		"there is no such namespace: name another with -n": apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "team"),
		"there is none: devctl list -A":                    apierrors.NewNotFound(schema.GroupResource{Group: "devserver.io", Resource: "devservers"}, "box"),
	} {
		if got := Explain(err, "creating it"); !strings.Contains(got.Error(), want) || exit.Code(got) != exit.NotFound {
			t.Errorf("%v: got %v, want %q", err, got, want)
		}
	}
	if got := Explain(fmt.Errorf("get: %w", context.Canceled), "reading it"); exit.Code(got) != exit.Interrupted {
		t.Errorf("after Ctrl-C: %v", got)
	}
}
