package charts_test

import (
	"context"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/apiserver"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJRZ8wZb0xRLRl7W6s6wM6GxBvVYIoNzD3xk0Zs4R9rT test"

// install creates the chart's objects of the given kinds, and deletes them when the
// test ends.
func install(t *testing.T, kinds []string, flags ...string) {
	t.Helper()
	c := apiserver.Client(t)
	for _, object := range parse(t, render(t, flags...)) {
		if !slices.Contains(kinds, object.GetKind()) {
			continue
		}
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatalf("creating %s %s: %v", object.GetKind(), object.GetName(), err)
		}
		t.Cleanup(func() { _ = c.Delete(context.Background(), object) })
	}
}

var (
	roles    = []string{"ClusterRole", "ClusterRoleBinding"}
	policies = []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
)

// as returns a client that impersonates another user.
func as(t *testing.T, name string, groups ...string) client.Client {
	t.Helper()
	config := apiserver.Config(t)
	config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groups}
	c, err := client.New(config, client.Options{Scheme: apiserver.Scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// member binds the role of a DevServerUser in a namespace, as the operator does.
func member(t *testing.T, namespace, name string) {
	t.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "member-", Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "devserver-user"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: name}},
	}
	if err := apiserver.Client(t).Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
}

func devServer(namespace, owner, flavor string) *devv1.DevServer {
	return &devv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Name: "server", Namespace: namespace},
		Spec:       devv1.DevServerSpec{Owner: owner, Flavor: flavor, SSH: devv1.SSHSpec{PublicKey: publicKey}},
	}
}
