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
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/policy"
)

// check refuses a server that could not start. The operator would report the same
// later; before it is created there is nothing to clean up.
func (c *creator) check(ctx context.Context, wanted *devserverv1.DevServer) (*devserverv1.DevServerFlavor, error) {
	flavor, err := c.checkFlavor()
	if err != nil {
		return nil, exit.With(exit.Refused, err)
	}
	if flavor != nil {
		if refused := beyond(wanted, flavor); refused != "" {
			return nil, exit.With(exit.Refused, fmt.Errorf("DevServer %s would not start: %s", wanted.Name, refused))
		}
		if never := flavors.NeverFits(flavor); never != "" && !c.AnyCapacity {
			return nil, exit.With(exit.Refused, fmt.Errorf("DevServer %s would not start: %s: choose another flavor, or, if nodes are added on demand, use --ignore-capacity", wanted.Name, never))
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

// checkFlavor is the flavor that the server gets; nil if the user may not read
// flavors.
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

// beyond says which of the flavor's bounds the server violates, in the operator's
// words; empty if none.
func beyond(wanted *devserverv1.DevServer, flavor *devserverv1.DevServerFlavor) string {
	if image := wanted.Spec.Image; image != "" {
		if refused := policy.ImageRefused(image, flavor); refused != "" {
			return refused
		}
	}
	if size := wanted.Spec.PersistentHomeSize; !size.IsZero() {
		if refused := policy.HomeSizeRefused(size, flavor); refused != "" {
			return refused
		}
	}
	if _, violation := policy.Resolve(wanted, flavor, policy.Defaults{}); violation != nil {
		return violation.Message
	}
	return ""
}

// checkClaim refuses a claim that does not exist, or that is being deleted. For a
// user who may not read claims, the operator reports it.
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
	choices := "the namespace has none to mount"
	var list corev1.PersistentVolumeClaimList
	if c.client.List(ctx, &list, client.InNamespace(namespace)) == nil {
		var names []string
		for i := range list.Items {
			// A home cannot be mounted by another server.
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

// checkStorageClass refuses a StorageClass that does not exist. Without a class,
// and without a default one, it only warns: an admin may have prepared a volume.
func (c *creator) checkStorageClass(ctx context.Context) error {
	var list storagev1.StorageClassList
	if err := c.client.List(ctx, &list); apierrors.IsForbidden(err) {
		if c.StorageClass != "" {
			fmt.Fprintf(c.streams.ErrOut, "Could not check whether StorageClass %s exists: you may not read StorageClasses.\n", c.StorageClass)
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
		return exit.With(exit.Refused, fmt.Errorf("StorageClass %q does not exist: the cluster has none", c.StorageClass))
	case c.StorageClass != "" && !slices.Contains(names, c.StorageClass):
		return exit.With(exit.Refused, fmt.Errorf("StorageClass %q does not exist: choose from %s", c.StorageClass, strings.Join(names, ", ")))
	case c.StorageClass == "" && !hasDefault && len(names) > 0:
		fmt.Fprintf(c.streams.ErrOut, "The cluster has no default StorageClass, so the home directory may get no volume: choose from %s with --storage-class.\n", strings.Join(names, ", "))
	}
	return nil
}

// oldHome describes the home directory that an earlier server of the same name
// left; empty if there is none. The new server uses it.
func (c *creator) oldHome(ctx context.Context) (string, error) {
	var claim corev1.PersistentVolumeClaim
	name := objects.HomeClaimName(c.Waiting.Name)
	if c.client.Get(ctx, client.ObjectKey{Namespace: c.Waiting.Namespace, Name: name}, &claim) != nil {
		//nolint:nilerr // It does not exist, or this user may not read it.
		return "", nil
	}
	if owner := claim.Annotations[objects.AnnotationOwner]; owner != c.Owner {
		whose := "is not a home directory"
		if owner != "" {
			whose = "is the home directory of " + owner
		}
		return "", exit.With(exit.Refused, fmt.Errorf("DevServer %s would not start: PersistentVolumeClaim %s exists and %s: choose another name", c.Waiting.Name, name, whose))
	}
	if size, ok := claim.Status.Capacity[corev1.ResourceStorage]; ok {
		return fmt.Sprintf("its existing home directory (%s)", &size), nil
	}
	return "its existing home directory", nil
}
