package part

import (
	"fmt"

	"devserver.io/devserver/local/internal/process"
)

// maxPods is above the default of 110, because a server is one pod and benchmarks run many.
const maxPods = 250

// kubelet has the usual settings, except that
//   - it never removes an image: no registry could provide it again;
//   - singleProcessOOMKill keeps a server running if one of its processes runs out of
//     memory. (With version 1 control groups the kernel kills single processes anyway,
//     and the kubelet accepts true.)
func kubelet(s Setting) (process.Spec, error) {
	config, err := s.config("kubelet.yaml", fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: %[1]q}
authorization: {mode: Webhook}
tlsCertFile: %[2]q
tlsPrivateKeyFile: %[3]q
containerRuntimeEndpoint: "unix://%[4]s"
clusterDNS: [%[5]q]
clusterDomain: cluster.local
# The host's resolver is out of the pods' reach.
resolvConf: ""
cgroupDriver: cgroupfs
cgroupRoot: %[6]q
failCgroupV1: false
failSwapOn: false
singleProcessOOMKill: true
podLogsDir: %[7]q
maxPods: %[8]d
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
kubeAPIQPS: 500
kubeAPIBurst: 1000
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, nodefs.inodesFree: 1%%, imagefs.available: 1%%, imagefs.inodesFree: 1%%}
# Lowering one's own score needs CAP_SYS_RESOURCE, which root in a container may lack.
oomScoreAdj: 0
registerWithTaints: %[9]s
`, s.pki("ca.crt"), s.pki("kubelet-server.crt"), s.pki("kubelet-server.key"), s.Cluster.Run("containerd", "containerd.sock"), s.Plan.DNS(),
		s.CgroupRoot, "/var/log/pods", maxPods, listed(s.Taints)))
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Configs: []string{config}, Args: []string{
		"--config=" + config, "--kubeconfig=" + s.kubeconfig("kubelet"), "--root-dir=" + s.Cluster.State("kubelet"),
		"--hostname-override=" + s.Cluster.Name, "--node-ip=" + s.Plan.Node.String(),
	}}, nil
}

// proxy does not change the kernel's connection tracking: its size is a setting of the
// whole machine.
func proxy(s Setting) (process.Spec, error) {
	config, err := s.config("proxy.yaml", fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: %q, qps: 100, burst: 200}
hostnameOverride: %q
clusterCIDR: %q
mode: nftables
# A NodePort works this soon after its pod is ready.
nftables: {minSyncPeriod: 200ms}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
oomScoreAdj: 0
`, s.kubeconfig("kube-proxy"), s.Cluster.Name, s.Plan.Pods))
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Configs: []string{config}, Args: []string{"--config=" + config}}, nil
}

// coredns runs on the node instead of in a pod, so it runs before the first pod does.
// It resolves only the cluster's names and refuses others at once.
func coredns(s Setting) (process.Spec, error) {
	config, err := s.config("Corefile", fmt.Sprintf(`cluster.local:53 in-addr.arpa:53 {
    bind %[1]s
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local in-addr.arpa {
        kubeconfig %[2]s
        pods insecure
        ttl 5
    }
    cache {
        success 9984 5
        denial 9984 1
        disable success cluster.local
        disable denial cluster.local
    }
}
`, s.Plan.Node, s.kubeconfig("coredns")))
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Configs: []string{config}, Args: []string{"-conf", config}}, nil
}
