package provisioner

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"devserver.io/devserver/local/internal/disk"
)

// Main runs the provisioner until it receives a signal. args are the command line
// without the program's name.
func Main(args []string) error {
	flags := flag.NewFlagSet("local-provisioner", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "file with the cluster's address and the client certificate")
	node := flags.String("node", "", "name of the node that the volumes are on")
	folders := flags.String("folders", "", "folder for the volumes that are folders")
	disks := flags.String("disks", "", "folder for the volumes with an enforced size")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// Homes are below it: other users may pass through the folder, but not list it.
	if err := os.MkdirAll(*folders, 0o711); err != nil {
		return fmt.Errorf("create the folder for volumes: %w", err)
	}
	client, err := connect(*kubeconfig)
	if err != nil {
		return err
	}
	store := disk.New(*disks)
	// A process that was killed while it copied may have left a volume frozen.
	if err := store.Thaw(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(klog.NewContext(context.Background(), klog.Background()), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return run(ctx, client, Folders{Root: *folders, Node: *node, Client: client}, Disks{Store: store, Node: *node, Client: client})
}

func connect(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig %s: %w", kubeconfig, err)
	}
	// A thousand claims created at once must not wait for the client's own rate limit.
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create a client: %w", err)
	}
	return client, nil
}

func run(ctx context.Context, client kubernetes.Interface, folders Folders, disks Disks) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	resizer, err := NewResizer(disks, factory)
	if err != nil {
		return err
	}
	provisioner := controller.NewProvisionController(ctx, client, FoldersName, Classes{FoldersName: folders, DisksName: disks},
		controller.AdditionalProvisionerNames([]string{DisksName}),
		controller.LeaderElection(false),
		controller.Threadiness(10),
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](200*time.Millisecond, 10*time.Second)),
		// The claim to copy can get its volume, and a volume be unmounted, at any time.
		controller.FailedProvisionThreshold(0), controller.FailedDeleteThreshold(0),
		controller.CreateProvisionedPVBackoff(wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: 8}),
	)
	factory.Start(ctx.Done())
	var resizing sync.WaitGroup
	resizing.Go(func() { resizer.Run(ctx) })
	provisioner.Run(ctx)
	resizing.Wait()
	// The controller does not wait for running operations. A copy ends with the context,
	// and must still thaw the volume.
	disks.Store.Quiesce()
	return nil
}
