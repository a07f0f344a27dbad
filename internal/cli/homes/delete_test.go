package homes

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"devserver.io/devserver/internal/cli/cluster"
)

func TestANewClaimOfTheSameNameIsNotDeleted(t *testing.T) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "home-bot-0", UID: "read"}}
	var only []types.UID
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(_ context.Context, _ client.WithWatch, _ client.Object, options ...client.DeleteOption) error {
			given := (&client.DeleteOptions{}).ApplyOptions(options)
			if given.Preconditions != nil && given.Preconditions.UID != nil {
				only = append(only, *given.Preconditions.UID)
			}
			return nil
		},
	}).Build()
	if err := DeleteClaim(t.Context(), c, claim); err != nil {
		t.Fatal(err)
	}
	if len(only) != 1 || only[0] != "read" {
		t.Errorf("it deletes %v, want the one that was read", only)
	}
}
