package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/controller/gateway"
	"devserver.io/devserver/internal/testing/apiserver"
)

// world is the operator's namespace in a real API server, and a reconciler that runs
// only when the test calls it.
type world struct {
	t      *testing.T
	c      client.Client // the test's own client, whose calls are not counted
	ns     string
	r      *gateway.Reconciler
	writes []string
	// reported has the addresses that the reconciler passed on.
	reported []*devv1.SSHGateway
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := apiserver.Client(t)
	w := &world{t: t, c: c, ns: apiserver.Namespace(t)}
	write := func(what string) { w.writes = append(w.writes, what) }
	counted := interceptor.NewClient(c, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			write(fmt.Sprintf("apply %T", o))
			return c.Apply(ctx, o, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			write(fmt.Sprintf("create %T", o))
			return c.Create(ctx, o, opts...)
		},
	})
	w.r = &gateway.Reconciler{
		Client: counted, Live: c, Services: c,
		Report: func(at *devv1.SSHGateway) { w.reported = append(w.reported, at) },
		Config: gateway.Config{Service: "devserver-gateway", Namespace: w.ns, Master: []byte(strings.Repeat("m", 32))},
	}
	return w
}

// pass makes one pass, which must requeue, and returns its writes.
func (w *world) pass() ([]string, error) {
	w.t.Helper()
	w.writes = nil
	result, err := w.r.Reconcile(w.t.Context(), ctrl.Request{})
	if err == nil && result.RequeueAfter == 0 {
		w.t.Error("the pass does not requeue, so a deleted Secret would not be restored")
	}
	return w.writes, err
}

// settled makes two passes, of which the second must write nothing.
func (w *world) settled() {
	w.t.Helper()
	if _, err := w.pass(); err != nil {
		w.t.Fatal(err)
	}
	if writes, err := w.pass(); err != nil || len(writes) > 0 {
		w.t.Errorf("the second pass writes %v, want nothing (%v)", writes, err)
	}
}

// lastReported returns the address that was reported last.
func (w *world) lastReported() devv1.SSHGateway {
	w.t.Helper()
	if len(w.reported) == 0 {
		return devv1.SSHGateway{}
	}
	return *w.reported[len(w.reported)-1]
}

func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	s := &corev1.Secret{}
	if err := w.c.Get(w.t.Context(), types.NamespacedName{Namespace: w.ns, Name: name}, s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.c.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
	}
	w.t.Cleanup(func() { _ = w.c.Delete(context.Background(), o) })
}

// service creates the gateway's Service.
func (w *world) service(kind corev1.ServiceType) *corev1.Service {
	w.t.Helper()
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "devserver-gateway"},
		Spec:       corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Name: "ssh", Port: 22}}},
	}
	w.create(s)
	return s
}

func (w *world) node(name, address string) *corev1.Node {
	w.t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	w.create(n)
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if err := w.c.Status().Update(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// operatorConfig returns a configuration for the API server with only the rights that
// rbac.go declares, so it may not list Secrets.
func (w *world) operatorConfig() *rest.Config {
	w.t.Helper()
	const name = "operator-of-the-gateway"
	w.create(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "nodes"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "create", "patch"}},
	}})
	w.create(&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: name}},
	})
	config := apiserver.Config(w.t)
	config.Impersonate = rest.ImpersonationConfig{UserName: name}
	return config
}
