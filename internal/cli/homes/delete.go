package homes

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/confirm"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
)

// DeleteOptions say which home directories to delete.
type DeleteOptions struct {
	Namespace string
	Names     []string
	// Yes skips the question.
	Yes bool
}

// Delete deletes home directories that no DevServer uses.
func Delete(ctx context.Context, c client.Client, o DeleteOptions, streams genericiooptions.IOStreams) error {
	all, users, err := read(ctx, c, "in namespace "+o.Namespace, client.InNamespace(o.Namespace))
	if err != nil {
		return err
	}
	var homes []*corev1.PersistentVolumeClaim
	var means []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(o.Names))) {
		i := slices.IndexFunc(all.Items, func(claim corev1.PersistentVolumeClaim) bool { return claim.Name == name })
		if i < 0 {
			return exit.With(exit.NotFound, fmt.Errorf("there is no home directory %q in namespace %s: devctl homes -n %s lists them", name, o.Namespace, o.Namespace))
		}
		claim := &all.Items[i]
		if user := users[client.ObjectKeyFromObject(claim)]; user != "" {
			return exit.With(exit.Refused, fmt.Errorf("home directory %s is used by DevServer %s: to delete both: devctl delete %s --home -n %s", name, user, user, o.Namespace))
		}
		homes = append(homes, claim)
		means = append(means, fmt.Sprintf("All files in %s (%s, owner %s) are deleted for good.", claim.Name, Size(claim), claim.Annotations[objects.AnnotationOwner]))
	}
	if !o.Yes {
		title := fmt.Sprintf("Delete home directory %s in namespace %s?", homes[0].Name, o.Namespace)
		if len(homes) > 1 {
			title = fmt.Sprintf("Delete these %d home directories in namespace %s?", len(homes), o.Namespace)
		}
		q := confirm.Question{Title: title, Means: means, Yes: "Delete", Left: "nothing was deleted"}
		if err := confirm.Ask(ctx, q, streams); err != nil {
			return err
		}
	}
	for _, claim := range homes {
		if err := DeleteClaim(ctx, c, claim); err != nil {
			return err
		}
		output.Printf(streams.Out, "Home directory %s (%s) is deleted.\n", claim.Name, Size(claim))
	}
	return nil
}

// DeleteClaim deletes the claim of a home directory, and not one that was created
// under its name since it was read. If a pod still uses the volume, Kubernetes
// deletes it when the pod ends.
func DeleteClaim(ctx context.Context, c client.Client, claim *corev1.PersistentVolumeClaim) error {
	uid := claim.UID
	err := c.Delete(ctx, claim, client.Preconditions{UID: &uid})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return cluster.Explain(err, fmt.Sprintf("deleting PersistentVolumeClaim %s in namespace %s", claim.Name, claim.Namespace))
}
