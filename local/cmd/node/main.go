// Command node contains every long-running part of a one-node Kubernetes in one
// binary. The name that it is called by selects the part, as in busybox. The parts
// share most of their code, so one binary is built and mapped into memory instead
// of nine.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	containerd "github.com/containerd/containerd/v2/cmd/containerd/command"
	ctr "github.com/containerd/containerd/v2/cmd/ctr/app"
	"github.com/coredns/coredns/coremain"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"devserver.io/devserver/local/internal/provisioner"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// parts maps the name of each part to its main function.
var parts = map[string]func() int{
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(kcm.NewControllerManagerCommand()) },
	"kube-scheduler":          func() int { return cli.Run(scheduler.NewSchedulerCommand()) },
	"kubelet":                 func() int { return cli.Run(kubelet.NewKubeletCommand(context.Background())) },
	"kube-proxy":              func() int { return cli.Run(proxy.NewProxyCommand()) },
	"coredns":                 func() int { coremain.Run(); return 0 },
	"containerd":              func() int { return exit(containerd.App().Run(context.Background(), os.Args)) },
	"ctr":                     func() int { return exit(ctr.New().Run(context.Background(), os.Args)) },
	"local-provisioner":       func() int { return exit(provisioner.Main(os.Args[1:])) },
}

func main() {
	name := filepath.Base(os.Args[0])
	run, ok := parts[name]
	if !ok {
		names := slices.Sorted(maps.Keys(parts))
		fmt.Fprintf(os.Stderr, "%s: call this binary by the name of a part: %s\n", name, strings.Join(names, ", "))
		os.Exit(2)
	}
	if name != "coredns" {
		forgetFlags("conf", "plugins", "pidfile", "version", "quiet", "log-format", "dns.port", "p")
	}
	os.Exit(run())
}

// forgetFlags removes flags that CoreDNS declares for the whole program. Other parts
// would list them as their own, and kube-proxy would lose its --version.
func forgetFlags(names ...string) {
	kept := flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	flag.CommandLine.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(names, f.Name) {
			kept.Var(f.Value, f.Name, f.Usage)
		}
	})
	flag.CommandLine = kept
}

func exit(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
	return 1
}
