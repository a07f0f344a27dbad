package e2e

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
	contract "devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/test/openssh"
)

// The example at the end of the storage guide. The test changes only the key and the
// flavor's name.
//
//go:embed testdata/seed.yaml
var seedYAML string

func TestSeedExample(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key, err := openssh.NewKey(s.Context(), s.TempDir(), "rsa", "rsa")
	if err != nil {
		s.Fatal(err)
	}
	s.key = key
	s.newShared("efs-shared-claim")
	yaml := strings.NewReplacer("ssh-rsa AAAA...", key.Public, "gpu-large", s.flavor).Replace(seedYAML)
	s.kubectl(yaml, "apply", "-f", "-")

	ds := &v1.DevServer{ObjectMeta: s.named("my-dev-server")}
	b := s.running(ds)
	seedObjects(b)
	seedStatefulSet(b)
	seedServices(b)
	seedCommand(b)
	seedColumns(b)
	b.want("whoami", "dev")
	b.want("stat -c %U /home/dev", "dev")
	b.sh("echo data > /shared/file && grep -q ' /shared ' /proc/mounts && grep -q ' /home/dev ' /proc/mounts")
}

// seedObjects checks the names of all objects in the namespace.
func seedObjects(b *server) {
	for _, kind := range []struct {
		list client.ObjectList
		want []string
	}{
		{&corev1.ServiceList{}, []string{"my-dev-server-headless", "my-dev-server-ssh"}},
		{&appsv1.StatefulSetList{}, []string{"my-dev-server"}},
		{&corev1.SecretList{}, []string{"my-dev-server-ssh"}},
		{&corev1.PodList{}, []string{"my-dev-server-0"}},
		{&corev1.PersistentVolumeClaimList{}, []string{"efs-shared-claim", "home-my-dev-server-0"}},
		{&appsv1.DeploymentList{}, nil},
		{&corev1.ConfigMapList{}, []string{"kube-root-ca.crt"}},
		{&corev1.ServiceAccountList{}, []string{"default"}},
	} {
		if err := b.c.List(b.Context(), kind.list, client.InNamespace(b.ns)); err != nil {
			b.Fatal(err)
		}
		var names []string
		_ = meta.EachListItem(kind.list, func(o runtime.Object) error {
			names = append(names, o.(client.Object).GetName())
			return nil
		})
		if slices.Sort(names); !slices.Equal(names, kind.want) {
			b.Errorf("%T: %v, want %v", kind.list, names, kind.want)
		}
	}
	secret := &corev1.Secret{ObjectMeta: b.named("my-dev-server-ssh")}
	if b.get(secret); secret.Type != "devserver.io/ssh" {
		b.Errorf("the Secret's type is %q", secret.Type)
	}
	for _, o := range []client.Object{
		secret,
		&appsv1.StatefulSet{ObjectMeta: b.named("my-dev-server")},
		&corev1.Service{ObjectMeta: b.named("my-dev-server-headless")},
		&corev1.Service{ObjectMeta: b.named("my-dev-server-ssh")},
	} {
		if b.get(o); !metav1.IsControlledBy(o, b.ds) {
			b.Errorf("%T %s does not belong to the DevServer: %v", o, o.GetName(), o.GetOwnerReferences())
		}
	}
}

func seedStatefulSet(b *server) {
	sts := &appsv1.StatefulSet{ObjectMeta: b.named("my-dev-server")}
	b.get(sts)
	if n := len(sts.Spec.Template.Spec.InitContainers); n != 1 {
		b.Errorf("%d init containers, want 1", n)
	}
	if n := len(sts.Spec.Template.Spec.Containers); n != 2 {
		b.Errorf("%d containers, want the server's and that of the SSH server", n)
	}
	if len(sts.Spec.VolumeClaimTemplates) != 1 || sts.Spec.VolumeClaimTemplates[0].Name != "home" {
		b.Errorf("volumeClaimTemplates: %+v, want home", sts.Spec.VolumeClaimTemplates)
	}
	if sts.Spec.ServiceName != "my-dev-server-headless" || *sts.Spec.Replicas != 1 || sts.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType {
		b.Errorf("StatefulSet: service %q, %d replicas, update strategy %s", sts.Spec.ServiceName, *sts.Spec.Replicas, sts.Spec.UpdateStrategy.Type)
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: b.named("home-my-dev-server-0")}
	b.get(claim)
	if size := claim.Spec.Resources.Requests[corev1.ResourceStorage]; size.String() != "100Gi" || claim.Status.Phase != corev1.ClaimBound {
		b.Errorf("the home is %s, %s, want 100Gi, Bound", size.String(), claim.Status.Phase)
	}
	pod := b.pod()
	if b.get(pod); pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
		b.Error("the pod has a ServiceAccount token")
	}
}

func seedServices(b *server) {
	headless := &corev1.Service{ObjectMeta: b.named("my-dev-server-headless")}
	if b.get(headless); headless.Spec.ClusterIP != corev1.ClusterIPNone || !headless.Spec.PublishNotReadyAddresses {
		b.Errorf("headless Service: %+v", headless.Spec)
	}
	ssh := &corev1.Service{ObjectMeta: b.named("my-dev-server-ssh")}
	b.get(ssh)
	if ssh.Spec.Type != corev1.ServiceTypeNodePort || len(ssh.Spec.Ports) != 1 || ssh.Spec.Ports[0].Port != 22 {
		b.Fatalf("SSH Service: %+v, want a NodePort for port 22", ssh.Spec)
	}
	target := ssh.Spec.Ports[0].TargetPort
	if target != intstr.FromString(contract.SSHPortName) && target != intstr.FromInt32(contract.SSHPort) {
		b.Errorf("the SSH Service's target is %s", target.String())
	}
	if port := ssh.Spec.Ports[0].NodePort; port != b.ds.Status.SSH.Port {
		b.Errorf("NodePort %d, status.ssh.port %d", port, b.ds.Status.SSH.Port)
	}
}

// seedCommand runs status.ssh.command unchanged. Only the client's configuration is
// replaced by one that has the key.
func seedCommand(b *server) {
	status := b.ds.Status.SSH
	line := status.Command
	for _, part := range []string{"ssh ", fmt.Sprintf("-p %d", status.Port), "HostKeyAlias=my-dev-server." + b.ns, "dev@" + status.Host} {
		if !strings.Contains(line, part) {
			b.Errorf("status.ssh.command %q lacks %q", line, part)
		}
	}
	script := `ssh() { command ssh -F "$CONFIG" "$@"; }; ` + line + ` hostname`
	cmd := openssh.Tool(b.bounded(), "sh", "-c", script)
	cmd.Env = append(cmd.Env, "CONFIG="+b.client.Config)
	if got := b.must(cmd); got != "my-dev-server-0" {
		b.Errorf("hostname over the printed command: %q", got)
	}
}

func seedColumns(b *server) {
	table := strings.Split(b.kubectl("", "get", "dev"), "\n")
	if got := strings.Join(strings.Fields(table[0]), " "); got != "NAME PHASE FLAVOR OWNER AGE" {
		b.Errorf("columns of kubectl get dev: %q", got)
	}
	wide := strings.Split(b.kubectl("", "get", "dev", "-o", "wide"), "\n")
	row := strings.Join(strings.Fields(wide[1]), " ")
	if want := fmt.Sprintf("my-dev-server Running %s %s %s ", b.flavor, owner, b.ds.Status.SSH.Command); !strings.HasPrefix(row, want) {
		b.Errorf("kubectl get dev -o wide: %q, want %q…", row, want)
	}
}
