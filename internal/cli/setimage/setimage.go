package setimage

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/confirm"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/serverstate"
)

// Options say which DevServer gets which image.
type Options struct {
	Waiting wait.Options // has the name
	Image   string
	// Yes skips the question.
	Yes bool
}

// Run sets the image after checking it, and waits for the restart.
func Run(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Waiting.Namespace, o.Waiting.Name)
	if err != nil {
		return err
	}
	if ds.Spec.Image == o.Image {
		_, err := output.Printf(streams.Out, "DevServer %s already has the image %s and is unchanged.\n", ds.Name, o.Image)
		return err
	}
	doing := fmt.Sprintf("setting the image of DevServer %s in namespace %s", ds.Name, ds.Namespace)
	if err := o.possible(ctx, c, ds, doing); err != nil {
		return err
	}
	starts := !ds.Spec.Suspend && !serverstate.IsSuspended(ds)
	running := starts && cluster.HasProcesses(ctx, c, ds)
	if running && !o.Yes {
		if err := confirm.Ask(ctx, question(ds, o.Image), streams); err != nil {
			return err
		}
	}
	o.Waiting.Replaced = ds.Status.StartedAt
	err = cluster.Edit(ctx, c, ds, doing, func(*devserverv1.DevServer) map[string]any {
		return map[string]any{"image": o.Image}
	})
	if err != nil {
		return err
	}
	sentence := report(ds, o.Image, starts, running)
	if !o.Waiting.Wait || !starts {
		_, err := output.Println(streams.Out, sentence)
		return err
	}
	output.Println(streams.ErrOut, sentence) // Out has only how to log in.
	return wait.Run(ctx, c, o.Waiting, streams)
}

// possible refuses an image that the flavor or the API server does not allow. A
// user who may not read flavors gets the answer from the operator.
func (o *Options) possible(ctx context.Context, c client.Client, ds *devserverv1.DevServer, doing string) error {
	list, err := flavors.List(ctx, c)
	if err != nil && exit.Code(err) != exit.Refused {
		return err
	}
	if err == nil {
		if flavor := flavors.Find(list.Items, cluster.FlavorName(ds)); flavor != nil {
			if refused := policy.ImageRefused(o.Image, flavor); refused != "" {
				return exit.With(exit.Refused, fmt.Errorf("%s: %s", doing, refused))
			}
		}
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"image": o.Image}})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return cluster.Explain(c.Patch(ctx, ds.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.DryRunAll), doing)
}

func question(ds *devserverv1.DevServer, image string) confirm.Question {
	means := "Its processes end. Its home directory, keys and address stay; what was changed outside the home directory is lost."
	if ds.Spec.Home != nil && ds.Spec.Home.Ephemeral {
		means = "Its processes end, and its ephemeral home directory is emptied. Its keys and address stay."
	}
	return confirm.Question{
		Title: fmt.Sprintf("Restart DevServer %s with the image %s?", ds.Name, image),
		Means: []string{means}, Yes: "Restart", Left: "nothing was changed",
	}
}

// report says what changes, for the DevServer before the edit.
func report(ds *devserverv1.DevServer, image string, starts, running bool) string {
	switch {
	case !starts:
		return fmt.Sprintf("DevServer %s gets the image %s at its next start.", ds.Name, image)
	case !running:
		return fmt.Sprintf("DevServer %s gets the image %s.", ds.Name, image)
	}
	return fmt.Sprintf("DevServer %s gets the image %s and restarts.", ds.Name, image)
}
