// Command local runs real Kubernetes clusters of one node on this machine, from
// nothing but Go modules and Debian packages: no Docker, no virtual machine, no
// downloaded binaries. Each cluster lives in namespaces of its own, so that
// several can run side by side and removing one leaves nothing behind.
//
//	local up           bring the cluster up, or repair it
//	local down         remove it
//	local kubeconfig   print the path of the administrator's kubeconfig
//	local status       show which parts run, and where their logs are
//	local install      build, load and install this checkout's operator; up does it too
//	local images       build images: archives for all platforms, --push, or --load
//	local load         load image archives into the cluster
//	local gpu          let the node claim to have GPUs
//	local binaries     print the folder with kubectl, helm, etcd and the rest
//
// Limits: the node has no way to the internet and no registry unless one is given
// to it; volumes are folders, whose size nothing enforces; etcd does not wait for
// the disk, so that a power failure may cost its last second.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"devserver.io/devserver/local/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := cli.New().ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "local: %v\n", err)
		os.Exit(1)
	}
}
