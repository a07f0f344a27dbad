package devserver

import (
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Only an invalid node port of that very Service means that the port was refused.
func TestRefusesNodePort(t *testing.T) {
	invalid := func(kind, name string, path *field.Path) error {
		return apierrors.NewInvalid(schema.GroupKind{Kind: kind}, name, field.ErrorList{field.Invalid(path, 30022, "provided port is already allocated")})
	}
	port := field.NewPath("spec", "ports").Index(0).Child("nodePort")
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"its node port":           {invalid("Service", "trainer-ssh", port), true},
		"wrapped":                 {fmt.Errorf("applying: %w", invalid("Service", "trainer-ssh", port)), true},
		"another field":           {invalid("Service", "trainer-ssh", field.NewPath("spec", "type")), false},
		"another Service":         {invalid("Service", "trainer-headless", port), false},
		"another kind":            {invalid("StatefulSet", "trainer-ssh", port), false},
		"another kind of refusal": {apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "trainer-ssh", errors.New("nodePort")), false},
		"no error":                {nil, false},
	} {
		if got := refusesNodePort(test.err, "trainer-ssh"); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
