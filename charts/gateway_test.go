package charts_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/testing/apiserver"
)

const (
	gatewayUser  = "system:serviceaccount:devserver-system:devserver-gateway"
	operatorUser = "system:serviceaccount:devserver-system:devserver-operator"
)

// may returns whether the roles of a user allow a request.
func may(t *testing.T, user, verb, group, resource string) bool {
	t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               user,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: "team", Verb: verb, Group: group, Resource: resource},
	}}
	if err := apiserver.Client(t).Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// The gateway may read DevServers and DevServerUsers and patch Leases, and nothing else.
func TestRightsOfTheGateway(t *testing.T) {
	install(t, roles)
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	reads := verbs[:3]
	for name, test := range map[string]struct {
		group, resource string
		may             []string
	}{
		"DevServers":           {"devserver.io", "devservers", reads},
		"people":               {"devserver.io", "devserverusers", reads},
		"Leases":               {"coordination.k8s.io", "leases", []string{"patch"}},
		"status":               {"devserver.io", "devservers/status", nil},
		"flavors":              {"devserver.io", "devserverflavors", nil},
		"Secrets":              {"", "secrets", nil},
		"pods":                 {"", "pods", nil},
		"a shell in pods":      {"", "pods/exec", nil},
		"Services":             {"", "services", nil},
		"ConfigMaps":           {"", "configmaps", nil},
		"tokens":               {"", "serviceaccounts/token", nil},
		"rights of its own":    {"rbac.authorization.k8s.io", "clusterroles", nil},
		"what the policies do": {"admissionregistration.k8s.io", "validatingadmissionpolicies", nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, verb := range verbs {
				if got := may(t, gatewayUser, verb, test.group, test.resource); got != slices.Contains(test.may, verb) {
					t.Errorf("%s %s: %t", verb, test.resource, got)
				}
			}
		})
	}
}

// The operator may write NetworkPolicies only if the admin enables them.
func TestNetworkPolicyPermissions(t *testing.T) {
	for _, enabled := range []string{"false", "true"} {
		t.Run(enabled, func(t *testing.T) {
			install(t, roles, "--set=networkPolicy.servers.enabled="+enabled)
			for _, verb := range []string{"get", "list", "watch", "create", "patch"} {
				if may(t, operatorUser, verb, "networking.k8s.io", "networkpolicies") != (enabled == "true") {
					t.Errorf("%s if networkPolicy.servers.enabled is %s: %t", verb, enabled, enabled != "true")
				}
			}
		})
	}
	out, err := helm(t, "template", "devserver", "devserver-operator", withRegistry, "--set=networkPolicy.servers.enabled=true", "--set=gateway.enabled=false")
	if err == nil || !strings.Contains(out, "requires gateway.enabled: without a gateway, no one could log in") {
		t.Errorf("values with which no one could log in are accepted: %s", out)
	}
}

// The gateway may patch Leases in every namespace. A policy limits it to those of
// DevServers, and to the fields that wake a server or keep it awake.
func TestGatewayOnlyWakesAndKeepsAwake(t *testing.T) {
	const (
		foreign = "the gateway may write only the Leases of DevServers, and may not create any"
		other   = "the gateway may change only renewTime, acquireTime, leaseDurationSeconds and holderIdentity of a DevServer's Lease"
	)
	ns, admin := apiserver.Namespace(t), apiserver.Client(t)
	install(t, roles)
	// Only this policy, because others refuse some of these changes too.
	for _, object := range parse(t, render(t)) {
		if object.GetName() == "devserver-gateway-leases" {
			if err := admin.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = admin.Delete(context.Background(), object) })
		}
	}
	gateway := client.NewDryRunClient(as(t, gatewayUser))
	create := func(name string, labels map[string]string, kind string) *coordinationv1.Lease {
		l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: name, Labels: labels, Annotations: map[string]string{lease.AnnotationSuspension: "since noon"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "devserver.io/v1", Kind: kind, Name: "server", UID: "0d1e", Controller: new(true)}},
		}}
		if err := admin.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	ours := map[string]string{"app.kubernetes.io/managed-by": "devserver-operator"}
	server, leader, node := create("server", ours, "DevServer"), create("leader", nil, "DevServer"), create("node", nil, "Node")
	change := func(l *coordinationv1.Lease, edit func(*coordinationv1.Lease)) error {
		changed := l.DeepCopy()
		edit(changed)
		return gateway.Patch(t.Context(), changed, client.MergeFrom(l))
	}
	renew := func(l *coordinationv1.Lease) { l.Spec.RenewTime = new(metav1.NowMicro()) }
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return apierrors.IsForbidden(change(leader, renew)), nil
	})
	if err != nil {
		t.Fatal("the gateway may write any Lease")
	}
	wantAnswer(t, change(leader, renew), foreign)
	wantAnswer(t, change(node, renew), foreign)
	wantAnswer(t, change(leader, func(l *coordinationv1.Lease) { l.Labels = ours }), foreign)

	wantAnswer(t, change(server, renew), "")
	wantAnswer(t, change(server, func(l *coordinationv1.Lease) {
		l.Spec.AcquireTime, l.Spec.LeaseDurationSeconds, l.Spec.HolderIdentity = new(metav1.NowMicro()), new(int32(60)), new("user@example.com")
	}), "")
	for name, edit := range map[string]func(*coordinationv1.Lease){
		"label":       func(l *coordinationv1.Lease) { l.Labels["x"] = "y" },
		"labels":      func(l *coordinationv1.Lease) { l.Labels = nil },
		"annotation":  func(l *coordinationv1.Lease) { l.Annotations["x"] = "y" },
		"suspension":  func(l *coordinationv1.Lease) { l.Annotations = nil },
		"owner":       func(l *coordinationv1.Lease) { l.OwnerReferences = nil },
		"finalizer":   func(l *coordinationv1.Lease) { l.Finalizers = []string{"example.com/stay"} },
		"transitions": func(l *coordinationv1.Lease) { l.Spec.LeaseTransitions = new(int32(7)) },
	} {
		if err := change(server, edit); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), other) {
			t.Errorf("%s: got %v\nwant a refusal: %s", name, err, other)
		}
	}
}

// deployment returns the gateway's Deployment.
func deployment(t *testing.T, flags ...string) *appsv1.Deployment {
	t.Helper()
	for _, object := range parse(t, render(t, flags...)) {
		if object.GetKind() == "Deployment" && object.GetName() == "devserver-gateway" {
			d := &appsv1.Deployment{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, d); err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
	t.Fatal("the chart has no gateway")
	return nil
}

// The grace period of a pod is the drain timeout, plus the preStop pause before it and
// the time to close the remaining sessions after it.
func TestGatewayHasTimeToDrain(t *testing.T) {
	for timeout, seconds := range map[string]int64{"90s": 105, "10m": 615, "2h": 7215} {
		d := deployment(t, "--set=gateway.drainTimeout="+timeout)
		spec := d.Spec.Template.Spec
		if *spec.TerminationGracePeriodSeconds != seconds || !slices.Contains(spec.Containers[0].Args, "--drain-timeout="+timeout) {
			t.Errorf("%s: %d seconds, %v", timeout, *spec.TerminationGracePeriodSeconds, spec.Containers[0].Args)
		}
	}
}

// A change of the certificate authorities creates no new pods, which would end
// all sessions: the gateway reads the file again.
func TestUserCA(t *testing.T) {
	const flag = "--user-ca=/etc/devserver/user-ca/keys"
	without, one := deployment(t), deployment(t, "--set=gateway.userCA={"+publicKey+"}")
	two := deployment(t, "--set=gateway.userCA={"+publicKey+","+publicKey+" two}")
	if slices.Contains(without.Spec.Template.Spec.Containers[0].Args, flag) || !slices.Contains(one.Spec.Template.Spec.Containers[0].Args, flag) {
		t.Error("the flag does not follow the value")
	}
	a, _ := json.Marshal(one.Spec.Template)
	b, _ := json.Marshal(two.Spec.Template)
	if !bytes.Equal(a, b) {
		t.Error("another authority creates new pods")
	}
	if text := render(t, "--set=gateway.userCA={"+publicKey+"}"); !strings.Contains(text, "  keys: |\n    "+publicKey+"\n") {
		t.Error("the ConfigMap does not have the key")
	}
}

// With gateway.enabled=false, the chart has no object of the gateway and the operator
// has no flag for it.
func TestWithoutGateway(t *testing.T) {
	if text := render(t, "--set=gateway.enabled=false", "--set=crds.install=false"); strings.Contains(text, "gateway") {
		t.Errorf("the chart still mentions the gateway:\n%s", text)
	}
}

// The operator has flags for the settings of the gateway that it cannot read from the
// cluster. If the admin provides a host key, the gateway uses it.
func TestOperatorFlagsForGateway(t *testing.T) {
	const own, operator = "secretName: devserver-gateway-host-key\n", "- --gateway-service=devserver-gateway\n"
	if text := render(t); !strings.Contains(text, own) || !strings.Contains(text, operator) || strings.Contains(text, "--gateway-host") {
		t.Error("by default, the operator does not create the gateway's host key")
	}
	text := render(t, "--set=gateway.hostKeySecret=ours", "--set=gateway.host=ssh.example.com", "--set=gateway.port=2200", "--set=networkPolicy.servers.enabled=true")
	for _, want := range []string{
		operator, "- --gateway-host-key-secret=ours\n", "- --gateway-host=ssh.example.com\n", "- --gateway-port=2200\n", "- --gateway-only\n", "secretName: ours\n", "- --address=ssh.example.com:2200\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the rendered chart does not contain %q", want)
		}
	}
}
