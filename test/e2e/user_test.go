package e2e

import (
	"bufio"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// person is a user with a DevServerUser. The site's namespace is the user's.
type person struct {
	*site
	user *v1.DevServerUser
}

// newPerson creates a DevServerUser with the name of the site's namespace.
func (s *site) newPerson(edit func(*v1.DevServerUserSpec)) *person {
	s.Helper()
	u := &v1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}
	u.Spec = v1.DevServerUserSpec{Username: s.ns, Owner: s.ns + "@example.com"}
	if edit != nil {
		edit(&u.Spec)
	}
	own := *s
	own.ns = "dev-" + s.ns
	s.create(u)
	s.Cleanup(func() {
		if s.Failed() {
			report(s.T, s.c, own.ns)
		}
		remove(s.T, s.c, u)
		remove(s.T, s.c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: own.ns}})
	})
	return &person{site: &own, user: u}
}

func userReady(u *v1.DevServerUser) bool {
	return u.Status.ObservedGeneration == u.Generation && meta.IsStatusConditionTrue(u.Status.Conditions, v1.ConditionReady)
}

// provisioned waits until the user can create DevServers.
func (p *person) provisioned() {
	p.Helper()
	p.user = await(p.site, p.user, "Ready", userReady)
	if p.user.Status.Namespace != p.ns {
		p.Fatalf("the user's namespace is %q", p.user.Status.Namespace)
	}
	// The API server watches roles and quotas, and sees changes with a delay. Until it has
	// seen the status of a quota, it refuses objects that the quota counts.
	p.eventually("the user may create DevServers", func() bool { return p.can("create", "devservers.devserver.io") })
	if len(p.user.Spec.Quota) > 0 {
		await(p.site, &corev1.ResourceQuota{ObjectMeta: p.named("devserver-user")}, "computed", func(q *corev1.ResourceQuota) bool { return len(q.Status.Hard) > 0 })
	}
}

// can reports whether the API server allows this user a verb on a resource.
func (p *person) can(verb, resource string) bool {
	p.Helper()
	return p.do(p.cmd("auth", "can-i", verb, resource)).Code == 0
}

// cmd prepares kubectl as this user, in the user's namespace.
func (p *person) cmd(words ...string) *exec.Cmd {
	p.Helper()
	path, err := cluster.Binary("kubectl")
	if err != nil {
		p.Fatal(err)
	}
	args := append([]string{"--kubeconfig", p.c.Kubeconfig, "--as", p.user.Spec.Owner, "--as-group", "system:authenticated", "-n", p.ns}, words...)
	return openssh.Tool(p.bounded(), path, args...)
}

// may runs kubectl as this user, who must have the permission.
func (p *person) may(words ...string) string {
	p.Helper()
	return p.must(p.cmd(words...))
}

// mayNot runs kubectl as this user, who must not have the permission, and checks the
// error.
func (p *person) mayNot(reason string, words ...string) {
	p.Helper()
	if r := p.do(p.cmd(words...)); r.Code == 0 || !strings.Contains(r.Stderr, reason) {
		p.Errorf("kubectl %s: exit code %d, %s%s\nwant: %s", strings.Join(words, " "), r.Code, r.Stdout, r.Stderr, reason)
	}
}

// apply prepares "kubectl apply" of a DevServer as this user.
func (p *person) apply(ds *v1.DevServer) *exec.Cmd {
	p.Helper()
	ds.Spec.Owner = p.user.Spec.Owner
	ds.TypeMeta = metav1.TypeMeta{APIVersion: v1.GroupVersion.String(), Kind: "DevServer"}
	document, err := yaml.Marshal(ds)
	if err != nil {
		p.Fatal(err)
	}
	cmd := p.cmd("apply", "-f", "-")
	cmd.Stdin = strings.NewReader(string(document))
	return cmd
}

// TestUser: a DevServerUser gets a namespace and exactly the rights that using a server
// requires. If the DevServerUser is deleted, the rights are deleted, and the server and
// its home stay.
func TestUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(func(u *v1.DevServerUserSpec) { u.Quota = quantities("count/devservers.devserver.io", "1") })
	p.provisioned()
	p.must(p.apply(p.devServer("server")))
	b := p.running(p.devServer("server"))

	rights(p)
	portForward(p)
	if r := p.do(p.apply(p.devServer("second"))); r.Code == 0 || !strings.Contains(r.Stderr,
		"exceeded quota: devserver-user, requested: count/devservers.devserver.io=1, used: count/devservers.devserver.io=1, limited: count/devservers.devserver.io=1") {
		p.Errorf("a second server: %+v", r)
	}

	pod := b.podUID()
	p.delete(p.user)
	p.awaitGone(&rbacv1.RoleBinding{ObjectMeta: p.named("devserver-user")})
	p.awaitGone(&corev1.ResourceQuota{ObjectMeta: p.named("devserver-user")})
	p.eventually("the user has no rights", func() bool {
		return !p.can("get", "devservers.devserver.io") && !p.can("delete", "devservers.devserver.io")
	})
	p.mayNot("forbidden: User", "get", "devservers")
	p.mayNot("forbidden: User", "delete", "devserver", "server")
	if b.want("whoami", "dev"); b.podUID() != pod {
		p.Error("the server was restarted")
	}
	p.get(&corev1.PersistentVolumeClaim{ObjectMeta: p.named("home-server-0")})

	// A DevServerUser that is created again gets the rights back.
	p.user.ObjectMeta = metav1.ObjectMeta{Name: p.user.Name}
	p.create(p.user)
	p.provisioned()
	p.may("delete", "devserver", "server")
	p.may("delete", "persistentvolumeclaim", "home-server-0")
}

// rights checks what a user may do and what not.
func rights(p *person) {
	p.Helper()
	for _, words := range []string{
		"get devservers", "get devserver server -o yaml", "describe devserver server", "get devserverflavors",
		"get pods", "logs server-0", "events", "get events", "get persistentvolumeclaims", "get leases.coordination.k8s.io",
		"get resourcequotas,limitranges,services", "wait --for=condition=Ready devserver/server", "annotate devserver server example.com/note=mine",
	} {
		p.may(strings.Fields(words)...)
	}
	if got := p.may("get", "devserver", "server", "-o", "jsonpath={.status.ssh.command}"); !strings.HasPrefix(got, "ssh ") {
		p.Errorf("status.ssh.command is %q for the user", got)
	}
	for _, words := range []string{
		"get secrets", "get secret server-ssh", "exec server-0 -- true", "run mine --image=example.com/mine:1",
		"get devservers -n default", "get devservers --all-namespaces", "delete devserver server -n default", "get pods -n devserver-system",
		"get devserverusers", "create serviceaccount mine", "create token default", "create rolebinding mine --clusterrole=admin --user=x",
		"label namespace " + p.ns + " pod-security.kubernetes.io/enforce=privileged --overwrite",
	} {
		p.mayNot("forbidden: User", strings.Fields(words)...)
	}
}

// portForward connects to the SSH server through the API server.
func portForward(p *person) {
	p.Helper()
	cmd := p.cmd("port-forward", "--address=127.0.0.1", "pod/server-0", ":2222")
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	line := p.line(out)
	found := regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).FindString(line)
	c, err := net.Dial("tcp", found)
	if err != nil {
		p.Fatalf("%v, after kubectl port-forward printed %q", err, line)
	}
	defer c.Close()
	if banner, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(banner, "SSH-2.0-") {
		p.Errorf("through kubectl port-forward: %q, %v", banner, err)
	}
}

// TestUserHeals: the operator reverts changes of a user's objects, creates deleted ones
// again, and deletes those that the spec no longer requires.
func TestUserHeals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(func(u *v1.DevServerUserSpec) { u.Quota = quantities("pods", "3") })
	p.provisioned()

	binding := &rbacv1.RoleBinding{ObjectMeta: p.named("devserver-user")}
	p.get(binding)
	before := binding.UID
	p.delete(binding)
	await(p.site, binding, "created again", func(b *rbacv1.RoleBinding) bool { return b.UID != before })

	quota := &corev1.ResourceQuota{ObjectMeta: p.named("devserver-user")}
	edit(p.site, quota, func(q *corev1.ResourceQuota) { q.Spec.Hard = quantities("pods", "300") })
	await(p.site, quota, "reverted", func(q *corev1.ResourceQuota) bool { return q.Spec.Hard.Pods().Value() == 3 })

	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.ns}}
	edit(p.site, ns, func(n *corev1.Namespace) {
		n.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "privileged"}
	})
	await(p.site, ns, "reverted", func(n *corev1.Namespace) bool {
		return n.Labels["pod-security.kubernetes.io/enforce"] == "restricted" && n.Labels["app.kubernetes.io/managed-by"] == "devserver-operator"
	})

	edit(p.site, p.user, func(u *v1.DevServerUser) { u.Spec.Quota = nil })
	p.awaitGone(quota)
	p.provisioned()

	// A resource that Kubernetes does not count is reported.
	edit(p.site, p.user, func(u *v1.DevServerUser) { u.Spec.Quota = quantities("count/devserver.devserver.io", "3") })
	p.awaitNotReady(v1.ReasonUserQuotaPending, "count/devserver.devserver.io")
}

// TestUserNamespaceConflict: an existing namespace is not changed until an admin hands it
// over with the command in the condition.
func TestUserNamespaceConflict(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	foreign := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "dev-" + s.ns}}
	s.create(foreign)
	p := s.newPerson(nil)
	message := p.awaitNotReady(v1.ReasonNamespaceConflict, p.user.Spec.Owner)
	p.absent(&rbacv1.RoleBinding{ObjectMeta: p.named("devserver-user")})
	now := foreign.DeepCopy()
	if p.get(now); len(now.Annotations) > 0 || len(now.Labels) != len(foreign.Labels) {
		p.Errorf("the namespace was written: %+v", now)
	}
	_, command, _ := strings.Cut(message, "kubectl ")
	s.kubectl("", strings.Fields(command)...)
	p.provisioned()
	p.may("get", "devservers")
}

// awaitNotReady waits until the DevServerUser is not Ready for a reason, and returns the
// message, which must contain part.
func (p *person) awaitNotReady(reason, part string) string {
	p.Helper()
	p.user = await(p.site, p.user, reason, func(u *v1.DevServerUser) bool {
		c := meta.FindStatusCondition(u.Status.Conditions, v1.ConditionReady)
		return c != nil && c.Status == metav1.ConditionFalse && c.Reason == reason
	})
	message := meta.FindStatusCondition(p.user.Status.Conditions, v1.ConditionReady).Message
	if !strings.Contains(message, part) {
		p.Errorf("%s: %s\nwant: %s", reason, message, part)
	}
	return message
}

// TestUserRivals: of two DevServerUsers for one owner, only the older is provisioned. If
// it is deleted, the younger is provisioned.
func TestUserRivals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	elder := s.newPerson(nil)
	elder.provisioned()
	rival := *s
	rival.ns = "x-" + s.ns
	younger := rival.newPerson(func(u *v1.DevServerUserSpec) { u.Owner = elder.user.Spec.Owner })
	younger.awaitNotReady(v1.ReasonUsernameTaken, elder.user.Name)
	younger.absent(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: younger.ns}})
	elder.delete(elder.user)
	younger.provisioned()
	younger.may("get", "devservers")
}
