package provisioner

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Main runs the provisioner until it is told to stop. args are the command
// line's, without the program's name.
func Main(args []string) error {
	flags := flag.NewFlagSet("local-provisioner", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "file with the cluster's address and the client certificate")
	node := flags.String("node", "", "name of the node that the folders are on")
	root := flags.String("root", "", "folder below which volumes are made")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// Homes lie below: others may pass through, but not look around.
	if err := os.MkdirAll(*root, 0o711); err != nil {
		return fmt.Errorf("make the folder for volumes: %w", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig %s: %w", *kubeconfig, err)
	}
	// A thousand claims made at once must not wait for the client's own limit.
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	ctx, stop := signal.NotifyContext(klog.NewContext(context.Background(), klog.Background()), syscall.SIGTERM, os.Interrupt)
	defer stop()
	controller.NewProvisionController(ctx, client, Name, Folders{Root: *root, Node: *node},
		controller.LeaderElection(false),
		controller.Threadiness(10),
		controller.RetryIntervalMax(10*time.Second),
		controller.CreateProvisionedPVBackoff(wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: 8}),
	).Run(ctx)
	return nil
}
