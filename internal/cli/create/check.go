package create

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/cli/homes"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
)

// check returns an error if the server could not start. The operator would report
// the same problem later, but then the user would have to delete the DevServer.
// Without an error, it returns the server's flavor, which is nil if the user may not
// read flavors.
func (c *creator) check(ctx context.Context, wanted *devserverv1.DevServer) (*devserverv1.DevServerFlavor, error) {
	flavor, err := c.checkFlavor()
	if err != nil {
		return nil, exit.With(exit.Refused, err)
	}
	if flavor != nil {
		if refused := flavors.Refused(wanted, flavor); refused != "" {
			return nil, exit.With(exit.Refused, fmt.Errorf("DevServer %s would not start, because %s", wanted.Name, refused))
		}
		if never := flavors.NeverFits(flavor); never != "" && !c.AnyCapacity {
			return nil, exit.With(exit.Refused, fmt.Errorf("DevServer %s would not start, because %s: choose another flavor, or, if nodes are added on demand, use --ignore-capacity", wanted.Name, never))
		}
	}
	claims := []string{}
	if wanted.Spec.SharedVolumeClaimName != "" {
		claims = append(claims, wanted.Spec.SharedVolumeClaimName)
	}
	for _, volume := range wanted.Spec.Volumes {
		claims = append(claims, volume.ClaimName)
	}
	for _, claim := range claims {
		if err := c.checkClaim(ctx, claim); err != nil {
			return nil, err
		}
	}
	return flavor, c.checkStorageClass(ctx)
}

// checkFlavor returns the flavor that the server gets, nil if the user may not read
// flavors, or an error if the flavor does not exist.
func (c *creator) checkFlavor() (*devserverv1.DevServerFlavor, error) {
	flavor := c.flavor()
	switch {
	case !c.known || flavor != nil:
		return flavor, nil
	case c.Flavor == "":
		return nil, errors.New("the cluster has no default flavor, so --flavor is required: " + flavors.Choices(c.flavors))
	}
	return nil, errors.New(flavors.Unknown(c.Flavor, c.flavors))
}

// checkClaim returns an error if the claim does not exist or is being deleted. If the
// claim cannot be read, the check is skipped and the operator reports the problem
// later.
func (c *creator) checkClaim(ctx context.Context, name string) error {
	namespace := c.Waiting.Namespace
	var claim corev1.PersistentVolumeClaim
	err := c.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &claim)
	if err == nil && !claim.DeletionTimestamp.IsZero() {
		return exit.With(exit.Refused, fmt.Errorf("PersistentVolumeClaim %q in namespace %s is being deleted", name, namespace))
	}
	if !apierrors.IsNotFound(err) {
		return nil
	}
	choices := "create it first"
	var list corev1.PersistentVolumeClaimList
	if c.client.List(ctx, &list, client.InNamespace(namespace)) == nil {
		var names []string
		for i := range list.Items {
			// A server cannot mount the home volume of another server.
			if list.Items[i].Annotations[objects.AnnotationOwner] == "" {
				names = append(names, list.Items[i].Name)
			}
		}
		if len(names) > 0 {
			choices = "choose from " + strings.Join(names, ", ")
		}
	}
	return exit.With(exit.Refused, fmt.Errorf("PersistentVolumeClaim %q does not exist in namespace %s: %s", name, namespace, choices))
}

// checkStorageClass returns an error if the requested StorageClass does not exist. If
// none is requested and the cluster does not have a default, it only warns, because
// an admin may have prepared a volume.
func (c *creator) checkStorageClass(ctx context.Context) error {
	var list storagev1.StorageClassList
	if err := c.client.List(ctx, &list); apierrors.IsForbidden(err) {
		if c.StorageClass != "" {
			output.Printf(c.streams.ErrOut, "Could not check whether StorageClass %s exists: you may not read StorageClasses.\n", c.StorageClass)
		}
		return nil
	} else if err != nil {
		return cluster.Explain(err, "listing the StorageClasses")
	}
	var names []string
	hasDefault := false
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
		hasDefault = hasDefault || list.Items[i].Annotations[cluster.DefaultClassAnnotation] == "true"
	}
	switch {
	case c.StorageClass != "" && len(names) == 0:
		return exit.With(exit.Refused, fmt.Errorf("StorageClass %q does not exist: ask an admin to create it", c.StorageClass))
	case c.StorageClass != "" && !slices.Contains(names, c.StorageClass):
		return exit.With(exit.Refused, fmt.Errorf("StorageClass %q does not exist: choose from %s", c.StorageClass, strings.Join(names, ", ")))
	case c.StorageClass == "" && !hasDefault && len(names) == 0:
		output.Println(c.streams.ErrOut, "The cluster does not have a StorageClass. The home directory gets a volume only if an admin has prepared one.")
	case c.StorageClass == "" && !hasDefault:
		output.Printf(c.streams.ErrOut, "The cluster does not have a default StorageClass, so the home directory may not get a volume. With --storage-class, choose from %s.\n", strings.Join(names, ", "))
	}
	return nil
}

// oldHome looks for the home directory of an earlier server with the same name, because
// the new server will use it. It returns a description of that home directory, "" if it
// does not exist, or an error if it belongs to another owner or cannot have the size
// that was asked for.
func (c *creator) oldHome(ctx context.Context) (string, error) {
	var claim corev1.PersistentVolumeClaim
	name := objects.HomeClaimName(c.Waiting.Name)
	if c.client.Get(ctx, client.ObjectKey{Namespace: c.Waiting.Namespace, Name: name}, &claim) != nil {
		//nolint:nilerr // The claim does not exist, or this user may not read it.
		return "", nil
	}
	if owner := claim.Annotations[objects.AnnotationOwner]; owner != c.Owner {
		whose := "is not a home directory"
		if owner != "" {
			whose = "is the home directory of " + owner
		}
		return "", exit.With(exit.Refused, fmt.Errorf("DevServer %s would not start, because PersistentVolumeClaim %s exists and %s: choose another name", c.Waiting.Name, name, whose))
	}
	if want, err := resource.ParseQuantity(c.HomeSize); err == nil {
		growth, err := homes.GrowthOf(ctx, c.client, c.Waiting.Namespace, name, want)
		if err != nil {
			return "", err
		}
		if growth.Refused != "" {
			return "", exit.With(exit.Refused, fmt.Errorf("the home directory of an earlier DevServer %s exists, and cannot grow to %s: %s: leave out --home-size, or choose another name", c.Waiting.Name, c.HomeSize, growth.Refused))
		}
	}
	if size, ok := claim.Status.Capacity[corev1.ResourceStorage]; ok {
		return fmt.Sprintf("its existing home directory (%s)", &size), nil
	}
	return "its existing home directory", nil
}
