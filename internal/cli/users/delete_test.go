package users

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
)

func TestANewUserOfTheSameNameIsNotDeleted(t *testing.T) {
	user := &devserverv1.DevServerUser{
		ObjectMeta: metav1.ObjectMeta{Name: "alice", UID: "read"},
		Spec:       devserverv1.DevServerUserSpec{Username: "alice", Owner: "alice@example.com"},
	}
	var only []types.UID
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(user).WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(_ context.Context, _ client.WithWatch, _ client.Object, options ...client.DeleteOption) error {
			given := (&client.DeleteOptions{}).ApplyOptions(options)
			if given.Preconditions != nil && given.Preconditions.UID != nil {
				only = append(only, *given.Preconditions.UID)
			}
			return nil
		},
	}).Build()
	if err := remove(t.Context(), c, DeleteOptions{Username: "alice", Yes: true}, genericiooptions.NewTestIOStreamsDiscard()); err != nil {
		t.Fatal(err)
	}
	if len(only) != 1 || only[0] != "read" {
		t.Errorf("it deletes %v, want the one that was read", only)
	}
}
