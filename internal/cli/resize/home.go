package resize

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/homes"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/serverstate"
)

// growsVolume tells whether the change makes the volume of the home directory
// larger, or will once the volume exists.
func (o *Options) growsVolume(ds *devserverv1.DevServer) bool {
	_, resized := o.changes(ds)["persistentHomeSize"]
	return resized && objects.HasOwnClaim(ds)
}

// checkGrowth refuses a larger home if the volume cannot grow. The spec would keep the
// larger size, because a size cannot shrink, and the server would report ResizePending
// until the volume is replaced. unchecked says why the StorageClass could not be
// checked.
func (o *Options) checkGrowth(ctx context.Context, c client.Reader, ds *devserverv1.DevServer) (unchecked string, err error) {
	want := resource.MustParse(o.HomeSize) // check parsed it.
	growth, err := homes.GrowthOf(ctx, c, ds.Namespace, objects.HomeClaimOf(ds), want)
	if err == nil && growth.Refused != "" {
		err = exit.With(exit.Refused, fmt.Errorf("%s: its home directory cannot grow to %s: %s; nothing was changed", doing(ds), o.HomeSize, growth.Refused))
	}
	return growth.Unchecked, err
}

// awaitGrowth waits until the operator has accepted the larger size and, if
// complete is set, until the file system has it. A refusal is an error.
func (o *Options) awaitGrowth(ctx context.Context, c client.WithWatch, complete bool, streams genericiooptions.IOStreams) error {
	reported := ""
	return wait.ForStatus(ctx, c, o.Waiting, "the larger home directory", func(ds *devserverv1.DevServer) (bool, error) {
		pending := meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionResizePending)
		switch {
		case pending == nil || pending.ObservedGeneration < ds.Generation:
			return false, nil
		case pending.Status != metav1.ConditionTrue:
			_, err := output.Printf(streams.ErrOut, "The home directory of DevServer %s has %s.\n", ds.Name, o.HomeSize)
			return true, err
		case pending.Reason == devserverv1.ReasonNotExpandable || pending.Reason == devserverv1.ReasonResizeFailed:
			return true, exit.With(exit.Refused, fmt.Errorf("%s: %s: %s", doing(ds), pending.Reason, pending.Message))
		}
		if pending.Message != reported {
			reported = pending.Message
			output.Printf(streams.ErrOut, "%s: %s\n", pending.Reason, pending.Message)
		}
		// Without a pod, the file system grows at the next start.
		return !complete || serverstate.IsSuspended(ds), nil
	})
}
