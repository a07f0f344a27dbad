package users

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/confirm"
	"devserver.io/devserver/internal/cli/output"
)

// DeleteOptions say which user to delete.
type DeleteOptions struct {
	Username string
	Yes      bool
}

// remove deletes the DevServerUser after the admin has confirmed what that means.
func remove(ctx context.Context, c client.Client, o DeleteOptions, streams genericiooptions.IOStreams) error {
	user, err := find(ctx, c, o.Username)
	if err != nil {
		return err
	}
	stays, err := remains(ctx, c, user)
	if err != nil {
		return err
	}
	if !o.Yes {
		if err := confirm.Ask(ctx, confirm.Question{
			Title: fmt.Sprintf("Delete DevServerUser %s?", user.Name),
			Means: []string{fmt.Sprintf("Removes the %s of %s from all servers, closes the sessions that they opened, and removes the user's rights in the namespace. %s",
				output.Count(len(user.Spec.PublicKeys), "key"), user.Spec.Owner, stays)},
			Yes: "Delete", Left: "nothing was deleted",
		}, streams); err != nil {
			return err
		}
	}
	// Only the one that was shown, not one that was created since.
	if err := c.Delete(ctx, user, client.Preconditions{UID: &user.UID}); err != nil {
		return explain(err, "deleting DevServerUser "+user.Name)
	}
	_, err = output.Printf(streams.Out, "deleted DevServerUser %s. %s\n", user.Name, stays)
	return err
}

// remains says what is kept of a user who is deleted.
func remains(ctx context.Context, c client.Reader, user *devserverv1.DevServerUser) (string, error) {
	namespace := user.Status.Namespace
	if namespace == "" {
		return "They have no namespace yet.", nil
	}
	var servers devserverv1.DevServerList
	if err := c.List(ctx, &servers, client.InNamespace(namespace)); err != nil {
		return "", explain(err, "listing the DevServers in namespace "+namespace)
	}
	var claims corev1.PersistentVolumeClaimList
	if err := c.List(ctx, &claims, client.InNamespace(namespace)); err != nil {
		return "", explain(err, "listing the volumes in namespace "+namespace)
	}
	return fmt.Sprintf("Namespace %s stays, with %s and %s (home directories and others). To delete all of that too: kubectl delete namespace %s",
		namespace, output.Count(len(servers.Items), "DevServer"), output.Count(len(claims.Items), "volume"), namespace), nil
}
