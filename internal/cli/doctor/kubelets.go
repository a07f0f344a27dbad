package doctor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"devserver.io/devserver/internal/cli/cluster"
)

// Many kubelets are asked at once, so that one that does not answer does not delay the
// others.
const (
	askedAtOnce     = 64
	kubeletPatience = 5 * time.Second
	// longestAnswer is the maximum number of bytes that are read of an answer.
	longestAnswer = 16 << 20
)

// askAdmin reads the facts for --admin. Call it after ask.
func (f *facts) askAdmin(ctx context.Context, to *cluster.Cluster) {
	f.admin = &adminFacts{}
	if f.unreachable != "" {
		return
	}
	if err := f.askNodes(ctx, to); err != nil {
		f.unreachable = cluster.Explain(err, "asking the cluster").Error()
	}
}

func (f *facts) askNodes(ctx context.Context, to *cluster.Cluster) error {
	var all corev1.NodeList
	hidden, err := list(ctx, to.Client, &all)
	if err != nil {
		return err
	}
	nodes := linuxNodes(all.Items)
	api, err := cluster.CoreAPI(to.Config)
	if err != nil {
		return err
	}
	(&kubelets{api, kubeletPatience}).ask(ctx, nodes)
	f.admin.nodes = seen[node]{nodes, hidden}
	return nil
}

// linuxNodes leaves out nodes with another operating system. A node whose kubelet has not
// reported its operating system yet counts as a Linux node.
func linuxNodes(all []corev1.Node) []node {
	var nodes []node
	for i := range all {
		if info := &all[i].Status.NodeInfo; info.OperatingSystem == "" || info.OperatingSystem == string(corev1.Linux) {
			nodes = append(nodes, node{name: all[i].Name, kubelet: info.KubeletVersion, runtime: info.ContainerRuntimeVersion})
		}
	}
	return nodes
}

// kubelets sends requests to kubelets through the API server.
type kubelets struct {
	api rest.Interface
	// patience is how long the requests to one kubelet may take.
	patience time.Duration
}

// ask adds to each node the facts that its kubelet reports.
func (k *kubelets) ask(ctx context.Context, nodes []node) {
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for i := range nodes {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, k.patience)
			defer cancel()
			nodes[i].unread = causeOf(k.complete(ctx, &nodes[i]))
			return nil
		})
	}
	_ = group.Wait() // The functions return no errors.
}

// causeOf leaves out the details of an error. They differ for each node, and nodes with
// the same result share a finding.
func causeOf(err error) cause {
	switch {
	case err == nil:
		return noCause
	case apierrors.IsForbidden(err):
		return forbidden
	case errors.Is(err, context.DeadlineExceeded):
		return unanswered
	}
	return unreadable
}

// complete adds the facts that the node's kubelet reports.
func (k *kubelets) complete(ctx context.Context, n *node) error {
	config, err := k.configOf(ctx, n.name)
	if err != nil {
		return err
	}
	n.singleProcessOOMKill = config.SingleProcessOOMKill
	if config.FailCgroupV1 {
		n.cgroup = 2 // With failCgroupV1, the kubelet does not run on version 1.
		return nil
	}
	n.cgroup, err = k.cgroupOf(ctx, n.name)
	if config.SingleProcessOOMKill != nil {
		return nil // The setting applies whatever the version is.
	}
	return err
}

// kubeletConfig is the part of the kubelet's configuration that the checks require, as
// the kubelet serves it at /configz. The kubelet fills in the defaults that do not depend
// on the node.
type kubeletConfig struct {
	SingleProcessOOMKill *bool `json:"singleProcessOOMKill"`
	FailCgroupV1         bool  `json:"failCgroupV1"`
}

func (k *kubelets) configOf(ctx context.Context, node string) (*kubeletConfig, error) {
	body, err := k.open(ctx, node, "configz")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var answer struct {
		KubeletConfig *kubeletConfig `json:"kubeletconfig"`
	}
	if err := json.NewDecoder(io.LimitReader(body, longestAnswer)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("reading the configuration of the kubelet of node %s: %w", node, err)
	}
	if answer.KubeletConfig == nil {
		return nil, fmt.Errorf("reading the configuration of the kubelet of node %s: the answer has no kubeletconfig", node)
	}
	return answer.KubeletConfig, nil
}

// cgroupOf reads the version of control groups from the kubelet's metrics, which contain
// it since Kubernetes 1.31. It returns 0 if they do not.
func (k *kubelets) cgroupOf(ctx context.Context, node string) (int, error) {
	body, err := k.open(ctx, node, "metrics")
	if err != nil {
		return 0, err
	}
	defer body.Close()
	lines := bufio.NewScanner(io.LimitReader(body, longestAnswer))
	for lines.Scan() {
		switch strings.TrimSpace(lines.Text()) {
		case "kubelet_cgroup_version 1":
			return 1, nil
		case "kubelet_cgroup_version 2":
			return 2, nil
		}
	}
	return 0, lines.Err()
}

func (k *kubelets) open(ctx context.Context, node, path string) (io.ReadCloser, error) {
	return k.api.Get().Resource("nodes").Name(node).SubResource("proxy").Suffix(path).Stream(ctx)
}
