package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// measureStart starts servers one after the other, and then bare pods for comparison. It reports
// how long each stage took and how many calls the operator made.
func measureStart(ctx context.Context, o options, r *report) error {
	g, err := newGround(ctx, "start")
	if err != nil {
		return err
	}
	defer g.remove()
	log, err := openAudit(o.audit)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start: the operator's calls are not counted:", err)
	}
	watched, err := observe(ctx, g.c, g.ns)
	if err != nil {
		return err
	}
	defer watched.stop()

	var starts []stages
	var bare []float64
	var calls []callCount
	servers := cmp.Or(o.servers, 20)
	for i := range servers {
		fmt.Fprintf(os.Stderr, "\rstart: server %d of %d", i+1, servers)
		name := fmt.Sprintf("server-%d", i)
		s, err := g.timeServer(ctx, watched, name)
		if err != nil {
			return err
		}
		starts = append(starts, s)
		if log != nil {
			n, err := log.callsFor(ctx, o.operator, g.ns, name)
			if err != nil {
				return err
			}
			calls = append(calls, n)
		}
		if err := g.clear(ctx, name); err != nil {
			return err
		}
	}
	// Not between the servers, because the node is still busy with removing the former one.
	for i := range servers {
		seconds, err := g.timePod(ctx, fmt.Sprintf("bare-%d", i), o.image)
		if err != nil {
			return err
		}
		bare = append(bare, seconds)
	}
	fmt.Fprintln(os.Stderr)
	reportStages(r, starts)
	r.add(result{Target: "start", Name: "a bare pod, created to Ready", Unit: "s", Values: bare})
	reportCalls(r, calls)
	return nil
}

// ground is a namespace with a flavor and a key for servers.
type ground struct {
	c      *cluster.Cluster
	ns     string
	dir    string
	key    openssh.Key
	flavor *v1.DevServerFlavor
}

func newGround(ctx context.Context, name string) (*ground, error) {
	c, err := cluster.Connect()
	if err != nil {
		return nil, err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "bench-" + name + "-"}}
	ns.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	if err := c.Create(ctx, ns); err != nil {
		return nil, fmt.Errorf("make a namespace: %w", err)
	}
	g := &ground{c: c, ns: ns.Name, flavor: &v1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: ns.Name}}}
	g.flavor.Spec.Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse("20m"), "memory": resource.MustParse("64Mi")},
		Limits:   corev1.ResourceList{"memory": resource.MustParse("512Mi")},
	}
	if err := c.Create(ctx, g.flavor); err != nil {
		g.remove()
		return nil, fmt.Errorf("make a flavor: %w", err)
	}
	if g.dir, err = os.MkdirTemp("", "bench"); err == nil {
		g.key, err = openssh.NewKey(ctx, g.dir, "bench", "ed25519")
	}
	if err != nil {
		g.remove()
		return nil, err
	}
	return g, nil
}

// remove deletes all objects and files, even if the measurement was interrupted.
func (g *ground) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = os.RemoveAll(g.dir)
	for _, o := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: g.ns}}, g.flavor} {
		if err := client.IgnoreNotFound(g.c.Delete(ctx, o)); err != nil {
			fmt.Fprintf(os.Stderr, "delete %s: %v\n", o.GetName(), err)
		}
	}
}

func (g *ground) devServer(name string) *v1.DevServer {
	d := &v1.DevServer{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: g.ns}}
	d.Spec.Owner = "bench@example.com"
	d.Spec.Flavor = g.flavor.Name
	d.Spec.SSH.PublicKey = g.key.Public
	d.Spec.PersistentHomeSize = resource.MustParse("64Mi")
	return d
}

// timeServer creates a server and waits until it is Running.
func (g *ground) timeServer(ctx context.Context, watched *observer, name string) (stages, error) {
	d := g.devServer(name)
	begin := time.Now()
	if err := g.c.Create(ctx, d); err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	watched.saw(name, accepted)
	if err := watched.await(ctx, name); err != nil {
		return nil, err
	}
	return watched.since(name, begin), nil
}

// clear deletes a server and its home, and waits until both are deleted.
func (g *ground) clear(ctx context.Context, name string) error {
	for _, o := range []client.Object{
		&v1.DevServer{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: g.ns}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name + "-0", Namespace: g.ns}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "home-" + name + "-0", Namespace: g.ns}},
	} {
		if _, pod := o.(*corev1.Pod); !pod { // it is deleted with its owner
			if err := g.c.Delete(ctx, o); err != nil {
				return fmt.Errorf("delete %s: %w", o.GetName(), err)
			}
		}
		if err := cluster.AwaitGone(ctx, g.c, o); err != nil {
			return err
		}
	}
	return nil
}

// timePod measures the minimum start time on this node: a pod with one container and no volume.
func (g *ground) timePod(ctx context.Context, name, image string) (float64, error) {
	yes, no, user, grace := true, false, int64(1000), int64(0)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: g.ns}}
	p.Spec.TerminationGracePeriodSeconds = &grace
	p.Spec.AutomountServiceAccountToken = &no
	p.Spec.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: &yes, RunAsUser: &user,
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	p.Spec.Containers = []corev1.Container{{
		Name: "bare", Image: image, Command: []string{"sleep", "infinity"},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no,
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}}
	begin := time.Now()
	if err := g.c.Create(ctx, p); err != nil {
		return 0, fmt.Errorf("create %s: %w", name, err)
	}
	if _, err := cluster.Await(ctx, g.c, p, podReady); err != nil {
		return 0, err
	}
	took := time.Since(begin).Seconds()
	if err := g.c.Delete(ctx, p); err != nil {
		return 0, fmt.Errorf("delete %s: %w", name, err)
	}
	return took, cluster.AwaitGone(ctx, g.c, p)
}
