package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"devserver.io/devserver/internal/exit"
)

func TestExplainInvalid(t *testing.T) {
	spec := field.NewPath("spec")
	for want, faults := range map[string]field.ErrorList{
		"owner must be short":                                   {field.Invalid(spec.Child("owner"), "ann: \"x\" y", "owner must be short")},
		"persistentHomeSize cannot shrink":                      {field.Invalid(spec.Child("persistentHomeSize"), 5, "persistentHomeSize cannot shrink")},
		"spec.flavor: Too long: may not be more than 253 bytes": {field.TooLong(spec.Child("flavor"), "", 253)},
		"metadata.name must be a label":                         {field.Invalid(nil, field.OmitValueType{}, "metadata.name must be a label")},
		"a must be b; spec.c: Required value":                   {field.Invalid(spec.Child("a"), "x", "a must be b"), field.Required(spec.Child("c"), "")},
	} {
		err := Explain(apierrors.NewInvalid(schema.GroupKind{Kind: "DevServer"}, "trainer", faults), "creating it")
		if got := err.Error(); got != "creating it: "+want || exit.Code(err) != exit.Refused {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestExplainForbidden(t *testing.T) {
	servers := schema.GroupResource{Group: "devserver.io", Resource: "devservers"}
	for reason, want := range map[string]string{
		"exceeded quota: one, requested: pods=1, used: pods=2, limited: pods=2":     "creating it: ResourceQuota one is exceeded: requested pods=1, used pods=2, limit pods=2: delete a server",
		"ValidatingAdmissionPolicy 'p' with binding 'p' denied request: not yours":  "creating it: not yours",
		`User "ann" cannot create resource "devservers" in the namespace "default"`: "ask the cluster's admin for access",
	} {
		err := Explain(apierrors.NewForbidden(servers, "trainer", errors.New(reason)), "creating it")
		if !strings.Contains(err.Error(), want) || exit.Code(err) != exit.Refused {
			t.Errorf("%s: got %q, want %q", reason, err, want)
		}
	}
	if err := Explain(&apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Message: "bad"}}, "creating it"); err.Error() != "creating it: bad" {
		t.Errorf("without causes: %v", err)
	}
}

// Each remedy is given for the errors that it helps against, and for no others.
func TestExplainRemedies(t *testing.T) {
	servers := schema.GroupResource{Group: "devserver.io", Resource: "devservers"}
	remedies := []string{"with -n", "--context", "devctl doctor", "admin", "log in", "kubectl"}
	cases := map[string]struct {
		err  error
		want []string
		code int
	}{
		"MissingNamespace": {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "team"), []string{"with -n"}, exit.NotFound},
		"MissingObject":    {apierrors.NewNotFound(servers, "trainer"), nil, exit.NotFound},
		"MissingKind":      {apierrors.NewNotFound(servers, ""), []string{"--context", "admin"}, exit.Failed},
		"WrongSize":        {apierrors.NewInvalid(schema.GroupKind{Kind: "DevServer"}, "x", field.ErrorList{field.Invalid(nil, 5, "persistentHomeSize cannot shrink")}), nil, exit.Refused},
		"Policy":           {apierrors.NewForbidden(servers, "x", errors.New("ValidatingAdmissionPolicy 'p' with binding 'p' denied request: not yours")), nil, exit.Refused},
		"Quota":            {apierrors.NewForbidden(servers, "x", errors.New("exceeded quota: one, requested: pods=1, used: pods=2, limited: pods=2")), []string{"admin"}, exit.Refused},
		"MissingRight":     {apierrors.NewForbidden(servers, "x", errors.New(`User "ann" cannot create resource "devservers"`)), []string{"admin"}, exit.Refused},
		"Unauthorized":     {apierrors.NewUnauthorized("Unauthorized"), []string{"--context", "log in"}, exit.Refused},
		"Conflict":         {apierrors.NewConflict(servers, "x", errors.New("modified")), nil, exit.Failed},
		"Unreachable":      {errors.New("connection refused"), []string{"--context", "devctl doctor"}, exit.Failed},
		"Interrupted":      {fmt.Errorf("get: %w", context.Canceled), nil, exit.Interrupted},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Explain(tc.err, "trying")
			var found []string
			for _, remedy := range remedies {
				if strings.Contains(got.Error(), remedy) {
					found = append(found, remedy)
				}
			}
			if diff := cmp.Diff(tc.want, found); diff != "" {
				t.Errorf("remedies in %q (-want +got):\n%s", got, diff)
			}
			if exit.Code(got) != tc.code {
				t.Errorf("exit code %d for %q, want %d", exit.Code(got), got, tc.code)
			}
		})
	}
}

func TestExplainList(t *testing.T) {
	servers := schema.GroupResource{Group: "devserver.io", Resource: "devservers"}
	forbidden := apierrors.NewForbidden(servers, "", errors.New(`User "ann" cannot list resource "devservers" at the cluster scope`))
	for want, all := range map[string]bool{
		"listing them: you may not read all namespaces: leave out -A, or choose a namespace with -n": true,
		"ask the cluster's admin for access": false,
	} {
		if err := ExplainList(forbidden, "listing them", all); !strings.HasSuffix(err.Error(), want) || exit.Code(err) != exit.Refused {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	if err := ExplainList(nil, "listing them", true); err != nil {
		t.Errorf("got %v for no error", err)
	}
}
