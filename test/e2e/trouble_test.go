package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
)

// TestMissingImage: the condition names an image that cannot be pulled, and the server
// starts when the image is changed.
func TestMissingImage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("server")
	// Nothing listens there, so the pull fails at once.
	ds.Spec.Image = "localhost:1/no-such-image:1.0"
	s.create(ds)
	ds = s.notReady(ds, v1.PhaseFailed, v1.ReasonImagePullFailed, ds.Spec.Image)
	edit(s, ds, func(d *v1.DevServer) { d.Spec.Image = "" })
	s.running(ds).want("whoami", "dev")
}

// TestUnschedulable: the condition has the scheduler's message.
func TestUnschedulable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	flavor := s.newFlavor(s.flavor+"-nowhere", func(f *v1.DevServerFlavorSpec) {
		f.NodeSelector = map[string]string{"example.com/no-such-label": "yes"}
	})
	ds := s.devServer("server")
	ds.Spec.Flavor = flavor.Name
	s.create(ds)
	s.notReady(ds, v1.PhasePending, v1.ReasonUnschedulable, "0/", " nodes are available", "didn't match Pod's node affinity/selector")
}

// TestTooLarge: the same for a flavor that is larger than every node.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	flavor := s.newFlavor(s.flavor+"-huge", func(f *v1.DevServerFlavorSpec) {
		f.Resources.Requests = quantities("cpu", "4000", "memory", "64Mi")
	})
	ds := s.devServer("server")
	ds.Spec.Flavor = flavor.Name
	s.create(ds)
	s.notReady(ds, v1.PhasePending, v1.ReasonUnschedulable, "Insufficient cpu")
}

// TestQuota: the condition has the numbers of an exceeded quota, and the server starts
// when the quota is raised.
func TestQuota(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	quota := &corev1.ResourceQuota{ObjectMeta: s.named("team")}
	quota.Spec.Hard = quantities("requests.memory", "32Mi")
	s.create(quota)
	// Until the quota has a status, the API server returns a different message.
	await(s, quota, "computed", func(q *corev1.ResourceQuota) bool { return len(q.Status.Hard) > 0 })
	ds := s.devServer("server")
	s.create(ds)
	// The request includes 32Mi of the SSH server.
	ds = s.notReady(ds, v1.PhasePending, v1.ReasonQuotaExceeded, "ResourceQuota team", "requests.memory=96Mi", "requests.memory=32Mi", "requests.memory=0")
	edit(s, quota, func(q *corev1.ResourceQuota) { q.Spec.Hard = quantities("requests.memory", "1Gi") })
	s.running(ds).want("whoami", "dev")
}

// TestPodSecurity: the condition reports a pod that Pod Security does not admit.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	flavor := s.newFlavor(s.flavor+"-host", func(f *v1.DevServerFlavorSpec) { f.PodTemplate = raw(`{"spec":{"hostNetwork":true}}`) })
	ds := s.devServer("server")
	ds.Spec.Flavor = flavor.Name
	s.create(ds)
	s.notReady(ds, v1.PhasePending, v1.ReasonAdmissionRefused, "PodSecurity", "hostNetwork")
}

// TestUnboundHome: the condition names a claim that cannot be provisioned, and why.
func TestUnboundHome(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("server")
	ds.Spec.Home = &v1.HomeSpec{StorageClassName: new("nonesuch")}
	s.create(ds)
	s.notReady(ds, v1.PhasePending, v1.ReasonClaimNotBound, "home-server-0", `"nonesuch" not found`)
}

// TestVolumeNotMounted: the condition has the kubelet's message about a volume that it
// cannot mount, and the server starts once it can.
func TestVolumeNotMounted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	folder := filepath.Join(s.TempDir(), "later")
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}
	volume.Spec = corev1.PersistentVolumeSpec{
		Capacity:               quantities("storage", "64Mi"),
		AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
		PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpExists}},
		}}}},
	}
	s.create(volume)
	s.Cleanup(func() { remove(t, s.c, volume) })
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: s.named("team")}
	claim.Spec.StorageClassName, claim.Spec.VolumeName = new(""), volume.Name
	claim.Spec.AccessModes = volume.Spec.AccessModes
	claim.Spec.Resources.Requests = volume.Spec.Capacity
	s.create(claim)
	ds := s.devServer("server")
	ds.Spec.SharedVolumeClaimName = claim.Name
	s.create(ds)
	ds = s.notReady(ds, v1.PhaseFailed, v1.ReasonVolumeFailed, volume.Name, folder, "does not exist")
	if err := os.Mkdir(folder, 0o777); err != nil {
		s.Fatal(err)
	}
	s.running(ds).want("touch /shared/file && ls /shared", "file")
}

// TestNodePortsExhausted: if all node ports are allocated, the server reports that, and
// starts once a port is free. The test runs alone because all others need ports.
func TestNodePortsExhausted(t *testing.T) {
	s := newSite(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if err := s.c.DeleteAllOf(ctx, &corev1.Service{}, client.InNamespace(s.ns)); err != nil {
			t.Errorf("release the ports: %v", err)
		}
	})
	last := s.takeNodePorts()
	ds := s.devServer("server")
	s.create(ds)
	ds = s.notReady(ds, v1.PhasePending, v1.ReasonNodePortsExhausted)
	s.delete(last)
	s.running(ds).want("whoami", "dev")
}

// takeNodePorts allocates all ports of the cluster's NodePort range, with Services of
// fewer and fewer ports, and returns the last Service.
func (s *site) takeNodePorts() (last *corev1.Service) {
	s.Helper()
	for n := 512; n > 0; {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{GenerateName: "ports-", Namespace: s.ns}}
		service.Spec.Type = corev1.ServiceTypeNodePort
		for port := range int32(n) {
			service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: fmt.Sprintf("port-%d", port), Port: 1 + port})
		}
		err := s.c.Create(s.Context(), service)
		switch {
		case err == nil:
			last = service
		case strings.Contains(err.Error(), "range is full"):
			n /= 2
		default:
			s.Fatalf("take %d node ports: %v", n, err)
		}
	}
	if last == nil {
		s.Fatal("no node port was free")
	}
	return last
}

// TestOutOfMemory: a process that uses too much memory is killed alone, and its client
// reads why. If the kernel kills the server's main process, the status names the cause,
// and the server is started again.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	flavor := s.newFlavor(s.flavor+"-shm", func(f *v1.DevServerFlavorSpec) { f.SharedMemorySize = new(resource.MustParse("1Gi")) })
	ds := s.devServer("server")
	ds.Spec.Flavor = flavor.Name
	b := s.start(ds)
	pod := b.podUID()
	// The client exits with 255 if a signal ended the command.
	if r := b.try("exec python3 -c 'b = bytearray(1 << 30)'"); r.Code != 255 ||
		!regexp.MustCompile(`^python3 \(pid \d+\) was killed: the server reached its memory limit of 512Mi\.\n$`).MatchString(r.Stderr) {
		s.Errorf("a process beyond the memory limit: %+v", r)
	}
	b.want("whoami", "dev")
	if b.podUID() != pod {
		s.Error("the server was restarted")
	}
	// Memory in /dev/shm does not belong to a process, so the kernel kills the process
	// with the highest score.
	if r := b.try("echo 1000 > /proc/1/oom_score_adj; head -c 600M /dev/zero > /dev/shm/ballast"); r.Code == 0 {
		s.Errorf("the session survived the server's main process: %+v", r)
	}
	s.disrupted(b.ds, v1.ReasonOOMKilled, "512Mi")
	// The file in /dev/shm belongs to the pod, so a restart of the container keeps it.
	s.delete(b.pod())
	b.restarted(pod).want("whoami", "dev")
}

// disrupted waits until status.lastDisruption has a reason, and checks its message. The
// condition has both too, but only until the kubelet has started the container again.
func (s *site) disrupted(ds *v1.DevServer, reason, message string) *v1.DevServer {
	s.Helper()
	ds = await(s, ds, "disrupted because of "+reason, func(d *v1.DevServer) bool {
		return d.Status.LastDisruption != nil && d.Status.LastDisruption.Reason == reason
	})
	if got := ds.Status.LastDisruption.Message; !strings.Contains(got, message) {
		s.Errorf("status.lastDisruption has message %q, want %q in it", got, message)
	}
	return ds
}

// TestCrash: if the server's main process ends, connections live on, and clients read
// what happened. A new session waits until the container is started again. The status
// has the exit code.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	pod := b.podUID()
	connection := b.master()
	running := b.session("echo began; exec sleep 100000")
	running.expect("began")
	if err := syscall.Kill(agentProcess(s, pod, "init"), syscall.SIGKILL); err != nil {
		s.Fatal(err)
	}
	running.expect("All processes of this server ended")
	if r := b.try("echo again", connection...); r.Code != 0 || r.Stdout != "again\n" {
		s.Errorf("a new session on an open connection: %+v", r)
	}
	s.running(s.disrupted(b.ds, v1.ReasonCrashLoop, "exit code 137")).want("whoami", "dev")
	if b.podUID() != pod {
		s.Error("the pod was replaced")
	}
}

// TestEviction: an eviction is reported in status.lastDisruption, and the server starts
// again. The test does not check the condition while the pod ends, because that passes
// too quickly.
func TestEviction(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	before := b.podUID()
	b.sh("echo kept > ~/file")
	if err := s.c.SubResource("eviction").Create(s.Context(), b.pod(), &policyv1.Eviction{ObjectMeta: b.pod().ObjectMeta}); err != nil {
		s.Fatal(err)
	}
	b = b.restarted(before)
	b.want("cat ~/file", "kept")
	if was := b.ds.Status.LastDisruption; was == nil || was.Reason != v1.ReasonEvicted {
		s.Errorf("status.lastDisruption is %+v", was)
	}
}
