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

// Main runs the provisioner until it is told to stop. args are the command
// line's, without the program's name.
func Main(args []string) error {
	flags := flag.NewFlagSet("local-provisioner", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "file with the cluster's address and the client certificate")
	node := flags.String("node", "", "name of the node that the volumes are on")
	folders := flags.String("folders", "", "folder below which volumes that are folders are made")
	disks := flags.String("disks", "", "folder below which volumes with a real size are made")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// Homes lie below: others may pass through, but not look around.
	if err := os.MkdirAll(*folders, 0o711); err != nil {
		return fmt.Errorf("make the folder for volumes: %w", err)
	}
	client, err := connect(*kubeconfig)
	if err != nil {
		return err
	}
	store := disk.New(*disks)
	// One that was killed while it copied may have left something frozen.
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
	// A thousand claims made at once must not wait for the client's own limit.
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
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
		// A claim to copy may get its volume, and a volume be unmounted, at any time.
		controller.FailedProvisionThreshold(0), controller.FailedDeleteThreshold(0),
		controller.CreateProvisionedPVBackoff(wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: 8}),
	)
	factory.Start(ctx.Done())
	var resizing sync.WaitGroup
	resizing.Go(func() { resizer.Run(ctx) })
	provisioner.Run(ctx)
	resizing.Wait()
	// The provisioner does not wait for what it does. A copy ends with the
	// context, and must get to thaw what it froze.
	disks.Store.Quiesce()
	return nil
}
