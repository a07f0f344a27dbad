package part

import (
	"fmt"

	"devserver.io/devserver/local/internal/process"
)

// etcd serves only the API server. It does not sync to disk: a cluster for testing may
// lose its last second when the machine loses power.
func etcd(s Setting) (process.Spec, error) {
	return process.Spec{Args: []string{
		"--name=" + s.Cluster.Name,
		"--data-dir=" + s.Cluster.State("etcd"),
		"--unsafe-no-fsync",
		"--quota-backend-bytes=8589934592",
		"--heartbeat-interval=50", "--election-timeout=500",
		"--listen-client-urls=https://127.0.0.1:2379", "--advertise-client-urls=https://127.0.0.1:2379",
		"--listen-peer-urls=https://127.0.0.1:2380", "--initial-advertise-peer-urls=https://127.0.0.1:2380",
		"--initial-cluster=" + s.Cluster.Name + "=https://127.0.0.1:2380",
		"--client-cert-auth", "--trusted-ca-file=" + s.pki("etcd-ca.crt"), "--cert-file=" + s.pki("etcd.crt"), "--key-file=" + s.pki("etcd.key"),
		"--peer-client-cert-auth", "--peer-trusted-ca-file=" + s.pki("etcd-ca.crt"), "--peer-cert-file=" + s.pki("etcd.crt"), "--peer-key-file=" + s.pki("etcd.key"),
	}}, nil
}

// auditPolicy logs who did what to which object, without contents: enough to count an
// operator's calls.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi/*"]
- level: Metadata
`

// apiserver has the default admission plugins plus NodeRestriction, as in kubeadm, and
// limits that fit a thousand servers created at once.
func apiserver(s Setting) (process.Spec, error) {
	policy, err := s.config("audit-policy.yaml", auditPolicy)
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Configs: []string{policy}, Args: []string{
		"--advertise-address=" + s.Plan.Node.String(), "--secure-port=6443",
		"--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile=" + s.pki("etcd-ca.crt"),
		"--etcd-certfile=" + s.pki("etcd-client.crt"), "--etcd-keyfile=" + s.pki("etcd-client.key"),
		"--client-ca-file=" + s.pki("ca.crt"), "--tls-cert-file=" + s.pki("apiserver.crt"), "--tls-private-key-file=" + s.pki("apiserver.key"),
		"--kubelet-certificate-authority=" + s.pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + s.pki("apiserver-kubelet.crt"), "--kubelet-client-key=" + s.pki("apiserver-kubelet.key"),
		"--requestheader-client-ca-file=" + s.pki("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group", "--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + s.pki("front-proxy.crt"), "--proxy-client-key-file=" + s.pki("front-proxy.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + s.pki("service-account.pub"), "--service-account-signing-key-file=" + s.pki("service-account.key"),
		"--service-cluster-ip-range=" + s.Plan.Services.String(),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--max-requests-inflight=1000", "--max-mutating-requests-inflight=500",
		"--audit-policy-file=" + policy, "--audit-log-path=" + s.Cluster.State("log", "audit.log"),
		"--audit-log-maxsize=256", "--audit-log-maxbackup=3",
	}}, nil
}

func controllerManager(s Setting) (process.Spec, error) {
	kubeconfig := s.kubeconfig("kube-controller-manager")
	return process.Spec{Args: []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=true",
		"--root-ca-file=" + s.pki("ca.crt"), "--service-account-private-key-file=" + s.pki("service-account.key"),
		"--cluster-signing-cert-file=" + s.pki("ca.crt"), "--cluster-signing-key-file=" + s.pki("ca.key"),
		"--allocate-node-cidrs=true", "--cluster-cidr=" + s.Plan.Pods.String(), fmt.Sprintf("--node-cidr-mask-size=%d", s.Plan.Pods.Bits()),
		"--service-cluster-ip-range=" + s.Plan.Services.String(),
		// With the defaults, 20 calls a second and 5 StatefulSets at a time, a thousand
		// servers would take minutes.
		"--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-statefulset-syncs=20",
		// A quota of a kind that was defined a moment ago is counted at the next resync,
		// which by default is after five minutes.
		"--resource-quota-sync-period=15s",
	}}, nil
}

func scheduler(s Setting) (process.Spec, error) {
	kubeconfig := s.kubeconfig("kube-scheduler")
	config, err := s.config("scheduler.yaml", fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: %q, qps: 500, burst: 1000}
leaderElection: {leaderElect: false}
`, kubeconfig))
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Configs: []string{config}, Args: []string{
		"--config=" + config, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig, "--bind-address=127.0.0.1",
	}}, nil
}

// provisioner creates, copies and grows the volumes of the StorageClasses.
func provisioner(s Setting) (process.Spec, error) {
	return process.Spec{Args: []string{
		"--kubeconfig=" + s.kubeconfig("local-provisioner"), "--node=" + s.Cluster.Name, "--folders=" + s.Cluster.State("volumes"),
		"--disks=" + Disks(s.Cluster),
	}}, nil
}
