package why

import (
	"cmp"
	"context"
	"io"
	"time"

	"charm.land/lipgloss/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/explain"
	"devserver.io/devserver/internal/objects"
)

// Run explains the DevServer.
func Run(ctx context.Context, to *cluster.Cluster, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.Get(ctx, to.Client, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	f, err := gather(ctx, to.Client, ds)
	if err != nil {
		return err
	}
	if o.Live && ds.Status.Phase == devserverv1.PhaseRunning {
		if f.Report, err = reach.Report(ctx, to, ds); err != nil {
			f.ReportError = err.Error()
		}
	}
	f.Name, f.Now, f.Zone, f.Commands = ds.Name, time.Now(), time.Local, Commands(ds)
	return show(streams.Out, explain.Explain(f))
}

// gather reads the objects around the DevServer. Those that this person cannot
// read are left out.
func gather(ctx context.Context, c client.Client, ds *devserverv1.DevServer) (f explain.Facts, err error) {
	f.DevServer = ds
	if f.Lease, err = cluster.Lease(ctx, c, ds); err != nil && !apierrors.IsForbidden(err) {
		return f, err
	}
	if f.Pod, err = cluster.Find(ctx, c, &corev1.Pod{}, ds.Namespace, objects.PodName(ds.Name)); err != nil {
		return f, err
	}
	var claim *corev1.PersistentVolumeClaim
	if name := objects.HomeClaimOf(ds); name != "" {
		if claim, err = cluster.Find(ctx, c, &corev1.PersistentVolumeClaim{}, ds.Namespace, name); err != nil {
			return f, err
		}
	}
	if name := cmp.Or(ds.Status.Flavor, ds.Spec.Flavor); name != "" {
		if f.Flavor, err = cluster.Find(ctx, c, &devserverv1.DevServerFlavor{}, "", name); err != nil {
			return f, err
		}
	}
	var quotas corev1.ResourceQuotaList
	if err := cluster.FindAll(ctx, c, &quotas, client.InNamespace(ds.Namespace)); err != nil {
		return f, err
	}
	var events corev1.EventList
	if err := cluster.FindAll(ctx, c, &events, client.InNamespace(ds.Namespace), client.MatchingFields{"involvedObject.name": objects.PodName(ds.Name)}); err != nil {
		return f, err
	}
	f.Quotas, f.Stage = quotas.Items, wait.Current(ds, f.Pod, claim, events.Items)
	return f, nil
}

// widest is the longest line. Longer ones are hard to read.
const widest = 100

// show prints sections, with their titles in bold on a terminal.
func show(w io.Writer, sections []explain.Section) error {
	width := widest
	if columns := output.Width(w); columns > 0 {
		width = min(columns, widest)
	}
	bold := lipgloss.NewStyle().Bold(true)
	_, err := output.Styled(w, explain.Text(sections, width, func(title string) string { return bold.Render(title) }))
	return err
}
