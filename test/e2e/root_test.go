package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/openssh"
)

// TestRoot: with a flavor that grants root, in a namespace that allows it, users can log
// in as root, but get no rights on the node. The user account works as on other servers,
// and the home can be used by a server without root and back.
func TestRoot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	flavor := s.newRootFlavor()
	ds := s.devServer("server")
	ds.Spec.Flavor = flavor
	s.create(ds)
	ds = s.notReady(ds, v1.PhasePending, v1.ReasonAdmissionRefused, flavor, "kubectl label namespace "+s.ns)
	s.allowRoot()
	b := s.running(ds)

	b.wantAsRoot("whoami; id -u; echo $HOME $PATH; pwd", "root\n0\n/root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/devserver/bin\n/root")
	account(b)
	copies(b)
	terminalSize(b)
	localForwardUnix(b)
	remoteForwardUnix(b)
	agentForward(b)
	changeOfSystem(b)
	boundaries(b)

	b.sh("echo mine > ~/file; chmod 640 ~/file")
	b.asRoot("echo root > /home/dev/root; chmod 600 /home/dev/root")
	before := b.podUID()
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.Flavor = s.flavor })
	b = b.restarted(before)
	// Without a user namespace, these are the ids on the node and on the volume.
	b.want("cat ~/file; stat -c %u:%g:%a ~ ~/file ~/root", "mine\n1000:1000:700\n1000:1000:640\n0:0:600")
	privilegedNothing(b)
	r := b.try("whoami", "-l", "root", "-o", "LogLevel=INFO")
	if r.Code != 255 || !strings.Contains(r.Stderr, "no root login: connect as dev") {
		b.Errorf("root login to a server without root: %+v", r)
	}

	before = b.podUID()
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.Flavor = flavor })
	b = b.restarted(before)
	b.want("whoami; cat ~/file; stat -c %u:%g:%a ~ ~/file", "dev\nmine\n1000:1000:700\n1000:1000:640")
	b.wantAsRoot("cat /home/dev/root; ls /usr/bin/e2e-hello; getent passwd alice", "root")
}

// changeOfSystem does what users need root for: it installs a package, and adds users
// and groups.
func changeOfSystem(b *server) {
	b.Helper()
	b.asRoot(`set -e
		mkdir -p /tmp/package/DEBIAN /tmp/package/usr/bin
		printf 'Package: e2e-hello\nVersion: 1\nArchitecture: all\nMaintainer: e2e\nDescription: says hello\n' > /tmp/package/DEBIAN/control
		printf '#!/bin/sh\necho hello\n' > /tmp/package/usr/bin/e2e-hello; chmod 755 /tmp/package/usr/bin/e2e-hello
		printf '#!/bin/sh\nset -e\nuseradd --create-home alice\nchown alice /usr/bin/e2e-hello\n' > /tmp/package/DEBIAN/postinst; chmod 755 /tmp/package/DEBIAN/postinst
		dpkg-deb --root-owner-group --build /tmp/package /tmp/package.deb && dpkg --install /tmp/package.deb
		groupadd --gid 4711 team && usermod --append --groups team dev
		install --mode=4755 /usr/bin/id /usr/local/bin/id-as-root`)
	b.want("e2e-hello; stat -c %U /usr/bin/e2e-hello; id -Gn; id-as-root -un", "hello\nalice\ndev team\nroot")
	b.wantAsRoot("su dev -c 'whoami; echo ~'; su - alice -c whoami", "dev\n/home/dev\nalice")
}

// boundaries: the user does not have root's rights, and root does not have the node's.
func boundaries(b *server) {
	b.Helper()
	for _, script := range []string{
		"cat /etc/devserver/ssh/ssh_host_ed25519_key", "ls /etc/devserver", "kill -TERM 1", "kill -TERM $PPID",
		"cat /proc/1/environ", "touch /usr/bin/x", "touch /opt/devserver/x", "ls /root",
	} {
		if r := b.try(script); r.Code == 0 || r.Code == 255 {
			b.Errorf("the user may %q: %+v", script, r)
		}
	}
	b.want("grep ^CapEff: /proc/self/status | tr -d '\\t'", "CapEff:0000000000000000")
	ids := strings.Fields(b.asRoot("cat /proc/self/uid_map"))
	if len(ids) != 3 || ids[0] != "0" || ids[1] == "0" || ids[2] != "65536" {
		b.Errorf("root is root on the node: uid_map is %q", ids)
	}
	for _, script := range []string{"mount -t tmpfs none /mnt", "echo 1 > /proc/sys/vm/drop_caches", "touch /opt/devserver/x", "dmesg --clear"} {
		if r := b.try(script, "-l", "root"); r.Code == 0 || r.Code == 255 {
			b.Errorf("root may %q: %+v", script, r)
		}
	}
}

// TestVolumeNotIdmappable: a volume that cannot be mounted in a user namespace is named
// in the condition. A flavor without root can mount it.
func TestVolumeNotIdmappable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.allowRoot()
	s.newUnmappable("datasets")
	ds := s.devServer("server")
	ds.Spec.Flavor = s.newRootFlavor()
	ds.Spec.SharedVolumeClaimName = "datasets"
	s.create(ds)
	ds = s.notReady(ds, v1.PhaseFailed, v1.ReasonVolumeNotIdmappable, s.ns)
	edit(s, ds, func(d *v1.DevServer) { d.Spec.Flavor = s.flavor })
	s.running(ds).want("echo x > /shared/x; cat /shared/x", "x")
}

// newUnmappable creates a claim for a volume on a file system that does not support
// mapped ids: ramfs, in place of the NFS of real clusters. The volume has the
// namespace's name.
func (s *site) newUnmappable(claim string) {
	s.Helper()
	dir := s.TempDir()
	s.onNode("mount", "-t", "ramfs", "none", dir)
	s.Cleanup(func() { s.onNode("umount", "--lazy", dir) })
	s.onNode("chmod", "777", dir)
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}
	volume.Spec.Capacity = quantities("storage", "1Gi")
	volume.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	volume.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: s.ns, Name: claim}
	volume.Spec.Local = &corev1.LocalVolumeSource{Path: dir}
	volume.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpExists}},
	}}}}
	s.create(volume)
	s.Cleanup(func() { remove(s.T, s.c, volume) })
	c := &corev1.PersistentVolumeClaim{ObjectMeta: s.named(claim)}
	c.Spec.AccessModes = volume.Spec.AccessModes
	c.Spec.Resources.Requests = quantities("storage", "1Gi")
	c.Spec.StorageClassName = new("")
	c.Spec.VolumeName = volume.Name
	s.create(c)
}

// onNode runs a program in the node's mount namespace. It works in a cleanup, when the
// test's context has ended.
func (s *site) onNode(program string, args ...string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	mounts := "--mount=/proc/" + nodeProcess(s, "kubelet") + "/ns/mnt"
	if r, err := openssh.Do(openssh.Tool(ctx, "nsenter", append([]string{mounts, program}, args...)...)); err != nil || r.Code != 0 {
		s.Errorf("%s %s: %v, %s", program, strings.Join(args, " "), err, r.Stderr)
	}
}

// newRootFlavor creates the site's small flavor with root, and returns its name.
func (s *site) newRootFlavor() string {
	s.Helper()
	return s.newFlavor(s.flavor+"-root", func(f *v1.DevServerFlavorSpec) { f.Root = v1.RootUserNamespace }).Name
}

// allowRoot allows root in the site's namespace, as an admin does.
func (s *site) allowRoot() {
	s.Helper()
	s.kubectl("", "label", "namespace", s.ns, "pod-security.kubernetes.io/enforce=baseline", "--overwrite")
}

// asRoot runs "ssh root@server SCRIPT", which must succeed, and returns its output.
func (b *server) asRoot(script string) string {
	b.Helper()
	return b.must(b.client.Command(b.bounded(), []string{"-l", "root"}, script))
}

func (b *server) wantAsRoot(script, printed string) {
	b.Helper()
	if r := b.do(b.client.Command(b.bounded(), []string{"-l", "root"}, script)); strings.TrimSuffix(r.Stdout, "\n") != printed {
		b.Errorf("ssh root@server %q: %+v, want %q", script, r, printed)
	}
}

// nodeProcess finds the process of a program of the cluster that KUBECONFIG names. Its
// command line contains the cluster's folder. A child that it is about to start has the
// same command line for a moment, so a process whose parent matches is not the result.
func nodeProcess(s *site, part string) string {
	s.Helper()
	folder := filepath.Dir(s.c.Kubeconfig) + "/"
	matches := func(pid string) bool {
		command, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		program, _, _ := strings.Cut(string(command), "\x00")
		return err == nil && filepath.Base(program) == part && strings.Contains(string(command), folder) // not if it has ended
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		s.Fatal(err)
	}
	for _, process := range processes {
		pid := filepath.Base(process)
		if !matches(pid) {
			continue
		}
		if starter, lives := parent(pid); lives && !matches(starter) {
			return pid
		}
	}
	s.Fatalf("%s is not among this machine's processes: this test needs the local cluster (make up)", part)
	return ""
}

// parent returns the parent of a process, and whether the process still runs.
func parent(pid string) (id string, lives bool) {
	status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return "", false
	}
	_, rest, _ := strings.Cut(string(status), "\nPPid:")
	id, _, _ = strings.Cut(rest, "\n")
	return strings.TrimSpace(id), true
}
