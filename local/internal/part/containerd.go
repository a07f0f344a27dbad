package part

import (
	"fmt"

	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/process"
)

// ContainerdSocket is the path of containerd's socket on the host.
func ContainerdSocket(c cluster.Cluster) string { return c.Run("containerd", "containerd.sock") }

// containerd keeps all its files below the cluster's folders. Its settings differ from
// the defaults if
//   - root lacks CAP_SYS_RESOURCE (restrict_oom_score_adj);
//   - an image must be present, because there is no registry (pinned_images);
//   - the default is a folder of the whole machine, which a containerd of the host, or
//     of another cluster, uses too.
func containerd(s Setting) (process.Spec, error) {
	c := s.Cluster
	if err := cni(s); err != nil {
		return process.Spec{}, err
	}
	config, err := s.config("containerd.toml", fmt.Sprintf(`version = 3
root = %[1]q
state = %[2]q
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.erofs", "io.containerd.differ.v1.erofs"]

[grpc]
  address = %[3]q

[plugins."io.containerd.shim.v1.manager"]
  socket_dir = %[4]q

[plugins."io.containerd.internal.v1.opt"]
  path = %[5]q

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = %[6]q
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = %[7]q

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [%[8]q]
    conf_dir = %[9]q
    use_internal_loopback = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = %[10]q
      Root = %[11]q
`, c.State("containerd"), c.Run("containerd"), ContainerdSocket(c), c.Run("s"), c.State("opt"), PauseImage, c.State("registries"),
		cniPlugins, c.State("config", "cni"), s.Binaries+"/runc", c.Run("runc")))
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Configs: []string{config}, Args: []string{"--config=" + config}}, nil
}

// cni gives every pod its own veth pair to the node. A bridge would require
// bridge-nf-call-iptables for Services between two of its pods, and has at most 1,024
// ports.
func cni(s Setting) error {
	_, err := s.config("cni/10-pods.conflist", fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": %q,
        "ranges": [[{"subnet": %q}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, s.Cluster.State("cni-addresses"), s.Plan.Pods))
	return err
}
