// Command local runs real Kubernetes clusters of one node on this machine, built
// from Go modules and Debian packages: no Docker, no virtual machine, no downloaded
// binaries. Each cluster runs in its own namespaces, so several can run side by side
// and removing one leaves nothing behind.
//
//	local up           start the cluster, or repair it
//	local down         remove it
//	local kubeconfig   print the path of the administrator's kubeconfig
//	local status       show which parts run, and where their logs are
//	local install      build, load and install this checkout's operator; up does this too
//	local images       build images: archives for all platforms, --push, or --load
//	local load         load image archives into the cluster
//	local gpu          give the node GPUs that exist in its status only
//	local join         add a node to another cluster
//	local binaries     print the folder with kubectl, helm, etcd and the other programs
//
// Limits: the node has no route to the internet, and no registry unless you set one
// up; the sizes of volumes of the StorageClass local are not enforced; etcd does not
// sync to disk, so a power failure can lose its last second.
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
