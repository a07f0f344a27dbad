package delete

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/confirm"
	"devserver.io/devserver/internal/cli/homes"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/objects"
)

// Options say what to delete.
type Options struct {
	Names   []string
	Waiting wait.Options // has the namespace
	// Home deletes the home directories too.
	Home bool
	// Yes skips the question.
	Yes bool
}

// victim is a DevServer to delete.
type victim struct {
	*devserverv1.DevServer
	// running tells whether processes end.
	running bool
	// before and after say what happens, and what happened, to its home directory.
	before, after string
	// claim is the home directory's claim to delete, nil for none.
	claim *corev1.PersistentVolumeClaim
}

// Run deletes the DevServers after confirmation.
func Run(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	var doomed []victim
	for i, name := range o.Names {
		if slices.Contains(o.Names[:i], name) {
			continue
		}
		v, err := o.victim(ctx, c, name)
		if err != nil {
			return err
		}
		doomed = append(doomed, v)
	}
	if !o.Yes {
		if err := confirm.Ask(ctx, question(doomed), streams); err != nil {
			return err
		}
	}
	for _, v := range doomed {
		if err := v.delete(ctx, c); err != nil {
			return err
		}
		output.Printf(streams.Out, "DevServer %s is deleted. %s\n", v.Name, v.after)
	}
	if !o.Waiting.Wait {
		return nil
	}
	for _, v := range doomed {
		o.Waiting.Name = v.Name
		if err := wait.Gone(ctx, c, v.UID, o.Waiting); err != nil {
			return err
		}
	}
	return nil
}

// victim reads a DevServer, and its home directory's claim if that is to be deleted.
func (o Options) victim(ctx context.Context, c client.Client, name string) (victim, error) {
	ds, err := cluster.Get(ctx, c, o.Waiting.Namespace, name)
	if err != nil {
		return victim{}, err
	}
	v := victim{DevServer: ds, running: cluster.HasProcesses(ctx, c, ds)}
	v.before = home(ds, claimOf(ctx, c, ds))
	v.after = v.before
	if !o.Home || !objects.HasOwnClaim(ds) {
		return v, nil
	}
	var claim corev1.PersistentVolumeClaim
	err = c.Get(ctx, client.ObjectKey{Namespace: ds.Namespace, Name: objects.HomeClaimOf(ds)}, &claim)
	if apierrors.IsNotFound(err) {
		return v, nil
	}
	if err != nil {
		return v, cluster.Explain(err, "reading the home directory of DevServer "+name)
	}
	v.claim = &claim
	v.before = fmt.Sprintf("Its home directory, PersistentVolumeClaim %s of %s, is deleted for good.", claim.Name, homes.Size(&claim))
	v.after = fmt.Sprintf("Its home directory, PersistentVolumeClaim %s of %s, is deleted too.", claim.Name, homes.Size(&claim))
	return v, nil
}

func (v victim) delete(ctx context.Context, c client.Client) error {
	// Not one that was created under the name since it was read.
	uid := v.UID
	err := c.Delete(ctx, v.DevServer, client.Preconditions{UID: &uid})
	if err != nil && !apierrors.IsNotFound(err) {
		return cluster.Explain(err, fmt.Sprintf("deleting DevServer %s in namespace %s", v.Name, v.Namespace))
	}
	if v.claim == nil {
		return nil
	}
	return homes.DeleteClaim(ctx, c, v.claim)
}

func question(doomed []victim) confirm.Question {
	var means []string
	for _, ds := range doomed {
		text := ds.before
		if ds.running {
			text = "Its processes end. " + text
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
	return confirm.Question{Title: title, Means: means, Yes: "Delete", Left: "nothing was deleted"}
}

// claimOf describes the claim with the home directory: its name and size. It is
// empty if none exists yet. A user who may not read claims gets what the status has.
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

// home says what happens to the home directory in a claim.
func home(ds *devserverv1.DevServer, claim string) string {
	switch spec := ptr.Deref(ds.Spec.Home, devserverv1.HomeSpec{}); {
	case spec.Ephemeral:
		return "Its ephemeral home directory is deleted with it."
	case claim == "":
		return "It has no home directory yet."
	case spec.ClaimName != "":
		return fmt.Sprintf("Its home directory stays, in PersistentVolumeClaim %s, which was not created for it.", claim)
	case spec.RetentionPolicy == devserverv1.HomeDelete:
		return fmt.Sprintf("Its home directory, PersistentVolumeClaim %s, is deleted with it for good, because of home.retentionPolicy Delete.", claim)
	}
	return fmt.Sprintf("Its home directory stays, in PersistentVolumeClaim %s. A new DevServer with the same name, namespace and owner uses it again. To delete it: devctl homes delete %s -n %s",
		claim, objects.HomeClaimOf(ds), ds.Namespace)
}
