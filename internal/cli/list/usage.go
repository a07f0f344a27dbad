package list

import (
	"context"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
)

// Asker asks the agent in a running server for its current figures.
type Asker func(ctx context.Context, ds *devserverv1.DevServer) (*agentapi.Report, error)

// The agents are asked over SSH, a few at a time and not for longer than a person
// waits for a list.
const (
	askedAtOnce = 16
	askTimeout  = 10 * time.Second
)

// usage asks all running servers what they use. A server is absent if it does not
// answer in time or does not let this user in: the list then shows what it was
// granted.
func usage(ctx context.Context, ask Asker, list *devserverv1.DevServerList) map[types.NamespacedName]*agentapi.Report {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var mu sync.Mutex
	reports := map[types.NamespacedName]*agentapi.Report{}
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for i := range list.Items {
		ds := &list.Items[i]
		if ds.Status.Phase != devserverv1.PhaseRunning {
			continue
		}
		group.Go(func() error {
			if report, err := ask(ctx, ds); err == nil {
				mu.Lock()
				defer mu.Unlock()
				reports[client.ObjectKeyFromObject(ds)] = report
			}
			return nil
		})
	}
	_ = group.Wait() // It has no error.
	return reports
}

// use fills in what a report says about the use of each resource.
func (r *resources) use(report *agentapi.Report) {
	if millis := report.Resources.CPUUsedMillis; millis != nil {
		r.cpu.used = strconv.FormatFloat(float64(*millis/10)/100, 'f', -1, 64)
	}
	if bytes := report.Resources.MemoryUsedBytes; bytes > 0 {
		r.memory.used = size(bytes)
	}
	if percent := report.Resources.GPUPercent; percent != nil {
		r.gpu.used = strconv.FormatInt(*percent, 10) + "%"
	}
	if home := report.Home; home != nil && ownFileSystem(home.SizeBytes, r.home.granted) {
		r.home.used = size(home.UsedBytes())
	}
}

// ownFileSystem tells whether a file system is as large as the home's volume, give or
// take what it needs itself. Otherwise it is shared, as a folder of the node's disk or of
// a file server is, and what is used of it is not what the home uses.
func ownFileSystem(bytes int64, granted string) bool {
	volume, err := resource.ParseQuantity(granted)
	return err == nil && bytes > 0 && bytes <= volume.Value()+volume.Value()/10
}

// size formats bytes as "3.1Gi", or as Mi if they are less than one GiB.
func size(bytes int64) string {
	if bytes < 1<<30 {
		return agentapi.Number(float64(bytes)/(1<<20)) + "Mi"
	}
	return agentapi.Number(float64(bytes)/(1<<30)) + "Gi"
}
