package e2e

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "devserver.io/devserver/api/v1"
)

// sizedClass is a StorageClass of the local cluster that enforces sizes and supports
// expansion.
const sizedClass = "sized"

// onClass returns a DevServer whose home has a StorageClass. Its size of 300 MiB is the
// minimum of the class sized.
func (s *site) onClass(name, class string) *v1.DevServer {
	ds := s.devServer(name)
	ds.Spec.PersistentHomeSize = resource.MustParse("300Mi")
	ds.Spec.Home = &v1.HomeSpec{StorageClassName: &class}
	return ds
}

// fill writes to a file until the file system is full, and returns the file's size.
func (b *server) fill(file string) resource.Quantity {
	b.Helper()
	r := b.try("dd if=/dev/zero bs=1M of=" + file)
	if r.Code == 0 || !strings.Contains(r.Stderr, "No space left on device") {
		b.Fatalf("filling the home: exit code %d, %q", r.Code, r.Stderr)
	}
	return resource.MustParse(b.sh("stat -c %s " + file))
}

// TestSizedHomeFillsAndGrows: a home of the class sized can be filled up to its size,
// which is reported, and can be enlarged while the server runs.
func TestSizedHomeFillsAndGrows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.onClass("server", sizedClass)
	ds.Spec.Lifecycle = &v1.LifecycleSpec{IdleTimeout: &metav1.Duration{Duration: time.Hour}} // so that the operator polls the agent every minute
	b := s.start(ds)
	pod, shell := b.podUID(), b.shell()
	if wrote := b.fill("first"); wrote.Cmp(resource.MustParse("300Mi")) > 0 {
		s.Fatalf("a home of 300Mi holds %s", wrote.String())
	}
	// The owner of a full home can still log in.
	b.want("whoami", "dev")

	b.terminal().expect("Your home directory is full")
	await(s, b.ds, "full", func(d *v1.DevServer) bool { return hasReason(d, v1.ConditionHomeFull, v1.ReasonHomeFull) })

	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.PersistentHomeSize = resource.MustParse("600Mi") })
	await(s, b.ds, "with a larger home", func(d *v1.DevServer) bool {
		return d.Status.Home.Capacity == "600Mi" && hasReason(d, v1.ConditionResizePending, v1.ReasonSizeAsRequested)
	})
	await(s, b.ds, "with space in the home", func(d *v1.DevServer) bool { return hasReason(d, v1.ConditionHomeFull, v1.ReasonHomeHasSpace) })
	if got := shell.ask("dd if=/dev/zero bs=1M count=250 of=second status=none && stat -c %s second"); got != "262144000" {
		s.Errorf("after it grew by 300Mi, 250 MiB more: %q", got)
	}
	b.fill("third")
	if b.podUID() != pod {
		s.Error("the server was restarted")
	}
}

// TestCopyOfAClaim: a claim whose data source is another claim of its class gets a copy
// of that claim's data, even while that claim is in use.
func TestCopyOfAClaim(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, class := range []string{"local", sizedClass} {
		s.sub(class, func(s *site) { copied(s, class) })
	}
}

func copied(s *site, class string) {
	b := s.start(s.onClass("from-"+class, class))
	b.sh("echo before > file; ln -s file link; chmod 640 file")
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: s.named("copy-" + class)}
	claim.Spec.StorageClassName = &class
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests = quantities("storage", "400Mi")
	claim.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: "home-from-" + class + "-0"}
	s.create(claim)
	reader := s.devServer("to-" + class)
	reader.Spec.SharedVolumeClaimName = claim.Name
	to := s.start(reader)
	b.sh("echo after > file") // the source can be written to again
	to.want("cd /shared/dev; cat link; stat -c '%a %U' file", "before\n640 dev")
	to.sh("echo in the copy > /shared/dev/file")
	b.want("cat file", "after")
	if class == sizedClass {
		// The copy is larger than its source.
		to.sh("dd if=/dev/zero bs=1M count=310 of=/shared/dev/more status=none")
	}

	// The volume is deleted with its claim.
	s.get(claim)
	volume := &corev1.PersistentVolume{}
	volume.Name = claim.Spec.VolumeName
	s.delete(reader)
	s.delete(claim)
	s.awaitGone(volume)
}
