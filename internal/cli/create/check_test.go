package create

import (
	"bytes"
	"testing"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"devserver.io/devserver/internal/cli/cluster"
)

func TestCheckStorageClass(t *testing.T) {
	slow := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "slow"}}
	fast := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast", Annotations: map[string]string{cluster.DefaultClassAnnotation: "true"}}}
	const (
		none      = "The cluster does not have a StorageClass. The home directory gets a volume only if an admin has prepared one.\n"
		noDefault = "The cluster does not have a default StorageClass, so the home directory may not get a volume. With --storage-class, choose from slow.\n"
	)
	for name, tc := range map[string]struct {
		classes          []client.Object
		wanted           string
		refused, warning string
	}{
		"Default":           {classes: []client.Object{slow, fast}},
		"Named":             {classes: []client.Object{slow, fast}, wanted: "slow"},
		"Unknown":           {classes: []client.Object{slow, fast}, wanted: "huge", refused: `StorageClass "huge" does not exist: choose from fast, slow`},
		"UnknownAmongNone":  {wanted: "huge", refused: `StorageClass "huge" does not exist: ask an admin to create it`},
		"NoneIsTheDefault":  {classes: []client.Object{slow}, warning: noDefault},
		"NamedNoDefault":    {classes: []client.Object{slow}, wanted: "slow"},
		"NoneInTheCluster":  {warning: none},
		"NamedAmongDefault": {classes: []client.Object{fast}, wanted: "fast"},
	} {
		t.Run(name, func(t *testing.T) {
			var warnings bytes.Buffer
			c := &creator{
				Options: Options{StorageClass: tc.wanted},
				client:  fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(tc.classes...).Build(),
				streams: genericiooptions.IOStreams{ErrOut: &warnings},
			}
			refused := ""
			if err := c.checkStorageClass(t.Context()); err != nil {
				refused = err.Error()
			}
			if refused != tc.refused || warnings.String() != tc.warning {
				t.Errorf("got error %q and warnings %q, want %q and %q", refused, &warnings, tc.refused, tc.warning)
			}
		})
	}
}
