package charts_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/testing/apiserver"
)

// want tries to create a DevServer. It must be refused with the message words, or
// accepted if words is empty.
func want(t *testing.T, c client.Client, d *devv1.DevServer, words string) {
	t.Helper()
	wantAnswer(t, client.NewDryRunClient(c).Create(t.Context(), d), words)
}

func wantAnswer(t *testing.T, err error, words string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Errorf("refused: %v", err)
	case words != "" && (!apierrors.IsForbidden(err) || !strings.HasSuffix(err.Error(), "denied request: "+words)):
		t.Errorf("got %v\nwant a refusal: %s", err, words)
	}
}

// inForce waits until the API server enforces the policies, which it receives from a
// watch: until it refuses d.
func inForce(t *testing.T, c client.Client, d *devv1.DevServer) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		last = client.NewDryRunClient(c).Create(ctx, d.DeepCopy())
		return last != nil && strings.Contains(last.Error(), "ValidatingAdmissionPolicy"), nil
	})
	if err != nil {
		t.Fatalf("the API server never refuses %s's %s: %v", d.Spec.Owner, d.Name, last)
	}
}

func TestOwnerIsRequester(t *testing.T) {
	const alice, bob = "alice@example.com", "bob@example.com"
	ns := apiserver.Namespace(t)
	// The policy does not exist by default.
	install(t, roles)
	for _, name := range []string{alice, bob, "system:serviceaccount:devserver-system:devserver-operator", "system:serviceaccount:argocd:argocd"} {
		member(t, ns, name)
	}
	want(t, as(t, alice), devServer(ns, bob, ""), "")

	install(t, policies, "--set=policies.ownerIsRequester.enabled=true",
		"--set=policies.ownerIsRequester.exemptGroups={system:masters,system:serviceaccounts:argocd}")
	inForce(t, as(t, alice), devServer(ns, bob, ""))
	want(t, as(t, alice), devServer(ns, alice, ""), "")
	want(t, as(t, alice), devServer(ns, bob, ""), "spec.owner must be your user name in this cluster, alice@example.com, not bob@example.com")
	want(t, as(t, alice, "some-group"), devServer(ns, bob, ""), "spec.owner must be your user name in this cluster, alice@example.com, not bob@example.com")
	want(t, as(t, "root", "system:masters"), devServer(ns, bob, ""), "")
	want(t, as(t, "system:serviceaccount:argocd:argocd", "system:serviceaccounts:argocd"), devServer(ns, bob, ""), "")
	want(t, as(t, "system:serviceaccount:devserver-system:devserver-operator"), devServer(ns, bob, ""), "")

	// The policy ignores edits of other fields of existing DevServers.
	server := devServer(ns, bob, "")
	if err := apiserver.Client(t).Create(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	server.Spec.Image = "example.com/new:1"
	wantAnswer(t, as(t, alice).Update(t.Context(), server), "")
}

func TestFlavorsPolicy(t *testing.T) {
	const alice = "alice@example.com"
	team, other := apiserver.Namespace(t), apiserver.Namespace(t)
	install(t, roles)
	for _, ns := range []string{team, other} {
		member(t, ns, alice)
	}
	old := devServer(other, alice, "gpu-large")
	old.Name = "from-before"
	if err := as(t, alice).Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	huge := `the flavor gpu-huge is available only in the namespaces ` + team + ` and to members of the groups ml, team "x"`
	large := "the flavor gpu-large is available only in the namespaces " + team
	install(t, policies, "--set-json=policies.flavors="+
		`[{"flavors":["gpu-huge","gpu-large"],"namespaces":["`+team+`"]},{"flavors":["gpu-huge"],"groups":["ml","team \"x\""]}]`)
	inForce(t, as(t, alice), devServer(other, alice, "gpu-large"))

	for name, c := range map[string]struct {
		ns, flavor string
		groups     []string
		words      string
	}{
		"in the namespace":             {team, "gpu-large", nil, ""},
		"elsewhere":                    {other, "gpu-large", nil, large},
		"in a group of another flavor": {other, "gpu-large", []string{"ml"}, large},
		"of two rules, the namespace":  {team, "gpu-huge", nil, ""},
		"of two rules, a group":        {other, "gpu-huge", []string{"ml"}, ""},
		"a group with quotes":          {other, "gpu-huge", []string{`team "x"`}, ""},
		"neither":                      {other, "gpu-huge", []string{"sales"}, huge},
		"a flavor without a rule":      {other, "cpu-small", nil, ""},
		"the default flavor":           {other, "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) { want(t, as(t, alice, c.groups...), devServer(c.ns, alice, c.flavor), c.words) })
	}
	t.Run("changes", func(t *testing.T) {
		old.Spec.Image = "example.com/new:1"
		wantAnswer(t, as(t, alice).Update(t.Context(), old), "")
		// Admins are no exception.
		want(t, as(t, "root", "system:masters"), devServer(other, alice, "gpu-large"), large)

		small := devServer(other, alice, "")
		if err := as(t, alice).Create(t.Context(), small); err != nil {
			t.Fatal(err)
		}
		for _, flavor := range []string{"cpu-small", "gpu-large"} {
			small.Spec.Flavor = flavor
			words := map[string]string{"gpu-large": large}[flavor]
			wantAnswer(t, as(t, alice).Update(t.Context(), small), words)
		}
	})
}

// TestServicePolicy: users who may not write Services cannot make the operator write one
// on which a controller of load balancers, DNS names or addresses acts. It is always on.
func TestServicePolicy(t *testing.T) {
	const (
		alice = "alice@example.com"
		dns   = "external-dns.alpha.kubernetes.io/hostname"
		group = "service.beta.kubernetes.io/aws-load-balancer-security-groups"

		kindWords = "spec.ssh.service.type must be NodePort, ClusterIP or None in this cluster, not LoadBalancer"
		dnsWords  = "spec.ssh.service.annotations must not contain " + dns + " in this cluster, which allows none"
	)
	ns := apiserver.Namespace(t)
	server := func(kind devv1.SSHServiceType, annotations ...string) *devv1.DevServer {
		d := devServer(ns, alice, "")
		d.Spec.SSH.Service.Type = kind
		for _, key := range annotations {
			if d.Spec.SSH.Service.Annotations == nil {
				d.Spec.SSH.Service.Annotations = map[string]devv1.AnnotationValue{}
			}
			d.Spec.SSH.Service.Annotations[key] = "login.example.com"
		}
		return d
	}
	install(t, roles)
	member(t, ns, alice)
	old := server(devv1.SSHServiceLoadBalancer, dns)
	old.Name = "from-before"
	// The API server still enforces an earlier test's policy for a moment.
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		last = as(t, alice).Create(ctx, old)
		return last == nil, nil
	})
	if err != nil {
		t.Fatal(last)
	}

	t.Run("by default", func(t *testing.T) {
		install(t, policies)
		inForce(t, as(t, alice), server(devv1.SSHServiceLoadBalancer))
		for kind, words := range map[devv1.SSHServiceType]string{
			"": "", devv1.SSHServiceNodePort: "", devv1.SSHServiceClusterIP: "", devv1.SSHServiceNone: "", devv1.SSHServiceLoadBalancer: kindWords,
		} {
			want(t, as(t, alice), server(kind), words)
		}
		want(t, as(t, alice), server("", dns), dnsWords)
		want(t, as(t, alice), server(devv1.SSHServiceNone, group), strings.ReplaceAll(dnsWords, dns, group))
		want(t, as(t, "root", "system:masters"), server("", dns), dnsWords)

		// An older server keeps its Service, and everything else can be edited.
		change := func(edit func(*devv1.DevServerSpec)) error {
			changed := old.DeepCopy()
			edit(&changed.Spec)
			return client.NewDryRunClient(as(t, alice)).Update(t.Context(), changed)
		}
		wantAnswer(t, change(func(s *devv1.DevServerSpec) { s.Image = "example.com/new:1" }), "")
		wantAnswer(t, change(func(s *devv1.DevServerSpec) { s.SSH.Service.Annotations[dns] = "other.example.com" }), kindWords)
		wantAnswer(t, change(func(s *devv1.DevServerSpec) { s.SSH.Service.Type = devv1.SSHServiceClusterIP }), dnsWords)
		wantAnswer(t, change(func(s *devv1.DevServerSpec) { s.SSH.Service = devv1.SSHServiceSpec{} }), "")
	})

	t.Run("with what the values allow", func(t *testing.T) {
		install(t, policies, "--set=policies.sshService.types={LoadBalancer,None}", "--set=policies.sshService.annotations={"+group+",example.com/pool}")
		inForce(t, as(t, alice), server(devv1.SSHServiceNodePort))
		want(t, as(t, alice), server(devv1.SSHServiceLoadBalancer, group), "")
		want(t, as(t, alice), server(""), "spec.ssh.service.type must be LoadBalancer or None in this cluster, not NodePort")
		want(t, as(t, alice), server(devv1.SSHServiceNone, group, dns),
			"spec.ssh.service.annotations must not contain "+dns+" in this cluster, which allows "+group+" and example.com/pool")
	})
}

// TestServiceFlags: the operator has the same lists as the policy.
func TestServiceFlags(t *testing.T) {
	for want, flags := range map[string][]string{
		"- --ssh-service-types=NodePort,ClusterIP,None\n            - --leader-elect": nil,
		"- --ssh-service-types=LoadBalancer\n            - --ssh-service-annotations=example.com/a,b\n": {
			"--set=policies.sshService.types={LoadBalancer}", "--set=policies.sshService.annotations={example.com/a,b}",
		},
	} {
		if text := render(t, flags...); !strings.Contains(text, want) {
			t.Errorf("%q does not give the operator %q", flags, want)
		}
	}
}

// The operator may write Leases in every namespace. A policy limits it to those of
// DevServers.
func TestOperatorWritesLeasesOfDevServersOnly(t *testing.T) {
	const words = "the operator may write only the Leases of DevServers"
	ns, admin := apiserver.Namespace(t), apiserver.Client(t)
	install(t, append(slices.Clone(roles), policies...))
	operator := as(t, "system:serviceaccount:devserver-system:devserver-operator")
	newLease := func(name string, labels map[string]string, kind string) *coordinationv1.Lease {
		return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: name, Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "devserver.io/v1", Kind: kind, Name: "server", UID: "0d1e", Controller: new(true)}},
		}}
	}
	ours := map[string]string{"app.kubernetes.io/managed-by": "devserver-operator"}
	foreign := newLease("leader", nil, "DevServer")
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		return apierrors.IsForbidden(client.NewDryRunClient(operator).Create(ctx, foreign.DeepCopy())), nil
	})
	if err != nil {
		t.Fatal("the operator may write any Lease")
	}
	wantAnswer(t, operator.Create(t.Context(), foreign.DeepCopy()), words)
	wantAnswer(t, operator.Create(t.Context(), newLease("node", ours, "Node")), words)
	wantAnswer(t, operator.Create(t.Context(), newLease("server", ours, "DevServer")), "")
	if err := admin.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	// Adding the label does not make it a Lease of a DevServer.
	taken := foreign.DeepCopy()
	taken.Labels = ours
	wantAnswer(t, operator.Patch(t.Context(), taken, client.MergeFrom(foreign)), words)
}

// A user who may write the Lease of a DevServer may wake the server and keep it awake,
// but not suspend it or hide the Lease from the operator.
func TestUsersOnlyWakeAndKeepAwake(t *testing.T) {
	const (
		alice    = "alice@example.com"
		reserved = "only the operator may change the annotation " + lease.AnnotationSuspension + "; set renewTime to wake the DevServer"
		identity = "the labels and owner references of a DevServer's Lease must not be changed"
	)
	ns := apiserver.Namespace(t)
	install(t, append(slices.Clone(roles), policies...))
	member(t, ns, alice)
	person := as(t, alice)
	before := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Namespace: ns, Name: "server", Labels: map[string]string{"app.kubernetes.io/managed-by": "devserver-operator"},
		Annotations:     map[string]string{lease.AnnotationSuspension: "since noon"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "devserver.io/v1", Kind: "DevServer", Name: "server", UID: "0d1e", Controller: new(true)}},
	}}
	operator := as(t, "system:serviceaccount:devserver-system:devserver-operator")
	if err := operator.Create(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	change := func(edit func(*coordinationv1.Lease)) error {
		changed := before.DeepCopy()
		edit(changed)
		return client.NewDryRunClient(person).Patch(t.Context(), changed, client.MergeFrom(before))
	}
	forge := func(l *coordinationv1.Lease) { l.Annotations[lease.AnnotationSuspension] = "since eleven" }
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return apierrors.IsForbidden(change(forge)), nil
	})
	if err != nil {
		t.Fatal("users may change the annotation of a suspension")
	}
	wantAnswer(t, change(forge), reserved)
	wantAnswer(t, change(func(l *coordinationv1.Lease) { l.Annotations = nil }), reserved)
	wantAnswer(t, change(func(l *coordinationv1.Lease) { l.Labels = nil }), identity)
	wantAnswer(t, change(func(l *coordinationv1.Lease) { l.OwnerReferences = nil }), identity)
	wantAnswer(t, change(func(l *coordinationv1.Lease) { l.Spec.RenewTime = new(metav1.NowMicro()) }), "")
	wantAnswer(t, change(func(l *coordinationv1.Lease) {
		l.Spec.AcquireTime, l.Spec.LeaseDurationSeconds = new(metav1.NowMicro()), new(int32(60))
	}), "")
	own := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "own", Labels: before.Labels, Annotations: before.Annotations}}
	wantAnswer(t, client.NewDryRunClient(person).Create(t.Context(), own), reserved)
}

// The operator may change only pods of DevServers. In their spec, it may change only the
// image of the SSH server, and in their metadata neither the labels nor the owners.
func TestOperatorChangesPodsOfDevServersOnly(t *testing.T) {
	const words = "the operator may change only pods of DevServers, and not their labels or owners"
	const specWords = "in the spec of a DevServer's pod, the operator may change only the image of the container ssh"
	ns, admin := apiserver.Namespace(t), apiserver.Client(t)
	install(t, append(slices.Clone(roles), policies...))
	operator := client.NewDryRunClient(as(t, "system:serviceaccount:devserver-system:devserver-operator"))
	pod := func(name string, labels map[string]string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: labels}}
		p.Spec.Containers = []corev1.Container{{Name: "c", Image: "example.com/image:1"}, {Name: objects.SSHContainer, Image: "example.com/agent:1"}}
		p.Spec.InitContainers = []corev1.Container{{Name: objects.SSHContainer + "-not", Image: "example.com/agent:1"}}
		if err := admin.Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ours, foreign := pod("server-0", map[string]string{"app.kubernetes.io/managed-by": "devserver-operator"}), pod("db-0", nil)
	change := func(p *corev1.Pod, edit func(*corev1.Pod)) error {
		changed := p.DeepCopy()
		edit(changed)
		return operator.Patch(t.Context(), changed, client.MergeFrom(p))
	}
	annotate := func(p *corev1.Pod) { p.Annotations = map[string]string{"karpenter.sh/do-not-disrupt": "true"} }
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return apierrors.IsForbidden(change(foreign, annotate)), nil
	})
	if err != nil {
		t.Fatal("the operator may annotate any pod")
	}
	wantAnswer(t, change(foreign, annotate), words)
	wantAnswer(t, change(ours, annotate), "")
	wantAnswer(t, change(ours, func(p *corev1.Pod) { p.Labels = nil }), words)
	updateAgent := func(p *corev1.Pod) { p.Spec.Containers[1].Image = "example.com/agent:2" }
	wantAnswer(t, change(ours, updateAgent), "")
	wantAnswer(t, change(foreign, updateAgent), words)
	wantAnswer(t, change(ours, func(p *corev1.Pod) { p.Spec.Containers[0].Image = "example.com/other:1" }), specWords)
	wantAnswer(t, change(ours, func(p *corev1.Pod) { p.Spec.InitContainers[0].Image = "example.com/other:1" }), specWords)
	wantAnswer(t, change(ours, func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = new(int64(1)) }), specWords)
	wantAnswer(t, change(ours, func(p *corev1.Pod) {
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists})
	}), specWords)
}
