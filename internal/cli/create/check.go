package create

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/policy"
)

// check refuses what could not start. The operator would say the same later;
// before, nothing has to be undone.
func (c *creator) check(ctx context.Context, wanted *devserverv1.DevServer) (*devserverv1.DevServerFlavor, error) {
	flavor, err := c.checkFlavor()
	if err != nil {
		return nil, exit.With(exit.Refused, err)
	}
	if flavor != nil {
		if refused := beyond(wanted, flavor); refused != "" {
			return nil, exit.With(exit.Refused, fmt.Errorf("DevServer %s would not start: %s", wanted.Name, refused))
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
	return flavor, nil
}

// checkFlavor is the flavor that the server gets; nil for who may not see them.
func (c *creator) checkFlavor() (*devserverv1.DevServerFlavor, error) {
	flavor := c.flavor()
	switch {
	case !c.known || flavor != nil:
		return flavor, nil
	case c.Flavor == "":
		return nil, errors.New("no flavor is the cluster's default, so choose one with --flavor: " + flavors.Choices(c.flavors))
	}
	return nil, errors.New(flavors.Unknown(c.Flavor, c.flavors))
}

// beyond says what the flavor does not allow, in the operator's words.
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

// checkClaim refuses a claim that is not there. Who may not see claims is told
// by the operator.
func (c *creator) checkClaim(ctx context.Context, name string) error {
	namespace := c.Waiting.Namespace
	err := c.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &corev1.PersistentVolumeClaim{})
	if !apierrors.IsNotFound(err) {
		return nil
	}
	there := "there is none to mount"
	var list corev1.PersistentVolumeClaimList
	if c.client.List(ctx, &list, client.InNamespace(namespace)) == nil {
		var names []string
		for i := range list.Items {
			// Homes are nothing to mount a second time.
			if list.Items[i].Annotations[objects.AnnotationOwner] == "" {
				names = append(names, list.Items[i].Name)
			}
		}
		if len(names) > 0 {
			there = "there are " + strings.Join(names, ", ")
		}
	}
	return exit.With(exit.Refused, fmt.Errorf("there is no PersistentVolumeClaim %q in namespace %s: %s", name, namespace, there))
}

// oldHome tells of the home directory that a server of that name had before:
// the new one finds it again.
func (c *creator) oldHome(ctx context.Context) (string, error) {
	var claim corev1.PersistentVolumeClaim
	name := objects.HomeClaimName(c.Waiting.Name)
	if c.client.Get(ctx, client.ObjectKey{Namespace: c.Waiting.Namespace, Name: name}, &claim) != nil {
		//nolint:nilerr // There is none, or none that this person may see.
		return "", nil
	}
	if owner := claim.Annotations[objects.AnnotationOwner]; owner != c.Owner {
		whose := "is no home directory"
		if owner != "" {
			whose = "is the home directory of " + owner
		}
		return "", exit.With(exit.Refused, fmt.Errorf("DevServer %s would not start: the PersistentVolumeClaim %s is there and %s: choose another name", c.Waiting.Name, name, whose))
	}
	if size, known := claim.Status.Capacity[corev1.ResourceStorage]; known {
		return fmt.Sprintf("its home directory of before (%s)", &size), nil
	}
	return "its home directory of before", nil
}
