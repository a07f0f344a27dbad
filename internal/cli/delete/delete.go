package delete

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/confirm"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/objects"
)

// Options say what to delete.
type Options struct {
	Names   []string
	Waiting wait.Options // has the namespace
	Wait    bool
	// Yes is the answer to the question.
	Yes bool
}

// victim is a DevServer to delete, and what becomes of its home directory.
type victim struct {
	*devserverv1.DevServer
	home string
}

// Run deletes the DevServers, once somebody has said yes.
func Run(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	var doomed []victim
	for i, name := range o.Names {
		if slices.Contains(o.Names[:i], name) {
			continue
		}
		ds, err := cluster.Get(ctx, c, o.Waiting.Namespace, name)
		if err != nil {
			return err
		}
		doomed = append(doomed, victim{DevServer: ds, home: home(ds, claimOf(ctx, c, ds))})
	}
	if !o.Yes {
		if err := confirm.Ask(ctx, question(doomed), streams); err != nil {
			return err
		}
	}
	for _, ds := range doomed {
		// The one that was looked at, and not one that was made anew meanwhile.
		uid := ds.UID
		err := c.Delete(ctx, ds.DevServer, client.Preconditions{UID: &uid})
		if err != nil && !apierrors.IsNotFound(err) {
			return cluster.Explain(err, fmt.Sprintf("deleting DevServer %s in namespace %s", ds.Name, ds.Namespace))
		}
		fmt.Fprintf(streams.Out, "DevServer %s is deleted. %s\n", ds.Name, ds.home)
	}
	if !o.Wait {
		return nil
	}
	for _, ds := range doomed {
		o.Waiting.Name = ds.Name
		if err := wait.Gone(ctx, c, ds.UID, o.Waiting); err != nil {
			return err
		}
	}
	return nil
}

func question(doomed []victim) confirm.Question {
	var means []string
	for _, ds := range doomed {
		text := ds.home
		if runs(ds.DevServer) {
			text = "It runs, and what runs in it ends. " + text
		}
		if len(doomed) > 1 {
			text = ds.Name + ": " + text
		}
		means = append(means, text)
	}
	title := fmt.Sprintf("Delete DevServer %s in namespace %s?", doomed[0].Name, doomed[0].Namespace)
	if len(doomed) > 1 {
		title = fmt.Sprintf("Delete these %d DevServers in namespace %s?", len(doomed), doomed[0].Namespace)
	}
	return confirm.Question{Title: title, Means: strings.Join(means, "\n"), Yes: "Delete", Left: "nothing was deleted"}
}

// runs tells whether there may be a process to end.
func runs(ds *devserverv1.DevServer) bool {
	switch ds.Status.Phase {
	case devserverv1.PhaseRunning, devserverv1.PhaseStarting, devserverv1.PhaseFailed:
		return true
	}
	return false
}

// claimOf describes the claim with the home directory; empty where there is
// none yet. Who may not see claims is told what the status knows.
func claimOf(ctx context.Context, c client.Reader, ds *devserverv1.DevServer) string {
	name := objects.HomeClaimOf(ds)
	if name == "" {
		return ""
	}
	var claim corev1.PersistentVolumeClaim
	err := c.Get(ctx, client.ObjectKey{Namespace: ds.Namespace, Name: name}, &claim)
	capacity, known := claim.Status.Capacity[corev1.ResourceStorage]
	switch {
	case apierrors.IsNotFound(err), err != nil && ds.Status.Home == nil:
		return ""
	case err != nil:
		return strings.TrimSuffix(name+" of "+ds.Status.Home.Capacity, " of ")
	case known:
		return name + " of " + capacity.String()
	}
	return name
}

// home says what becomes of the home directory in a claim.
func home(ds *devserverv1.DevServer, claim string) string {
	spec := devserverv1.HomeSpec{}
	if ds.Spec.Home != nil {
		spec = *ds.Spec.Home
	}
	switch {
	case spec.Ephemeral:
		return "Its home directory was ephemeral, and goes with it."
	case claim == "":
		return "It has no home directory yet."
	case spec.ClaimName != "":
		return fmt.Sprintf("Its home directory stays, in the PersistentVolumeClaim %s, which was there before it.", claim)
	case spec.RetentionPolicy == devserverv1.HomeDelete:
		return fmt.Sprintf("Its home directory, the PersistentVolumeClaim %s, goes with it for good, as home.retentionPolicy says.", claim)
	}
	return fmt.Sprintf("Its home directory stays, in the PersistentVolumeClaim %s: a DevServer with the same name, namespace and owner finds it again. To delete it too: kubectl delete pvc %s -n %s",
		claim, objects.HomeClaimOf(ds), ds.Namespace)
}
