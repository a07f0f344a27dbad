package resize

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
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
	"devserver.io/devserver/internal/serverstate"
)

// Options say what to resize, and to what. An empty value changes nothing.
type Options struct {
	Waiting          wait.Options // has the name
	Flavor, HomeSize string
	// Yes skips the question.
	Yes bool
	// AnyCapacity accepts a flavor that no node can run now.
	AnyCapacity bool
	// running tells whether the restart ends processes.
	running bool
}

func (o *Options) check() error {
	if o.Flavor == "" && o.HomeSize == "" {
		return exit.With(exit.Usage, errors.New("nothing to change: give --flavor, --home-size or both"))
	}
	if o.HomeSize != "" {
		if _, err := resource.ParseQuantity(o.HomeSize); err != nil {
			return exit.With(exit.Usage, fmt.Errorf("--home-size %q is not a size from 1Mi to 1Pi, such as 200Gi", o.HomeSize))
		}
	}
	return nil
}

// Run resizes the DevServer after checking that it is possible. If that ends
// processes, it asks before.
func Run(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Waiting.Namespace, o.Waiting.Name)
	if err != nil {
		return err
	}
	if claim := ds.Spec.Home; o.HomeSize != "" && claim != nil && claim.ClaimName != "" {
		return exit.With(exit.Refused, fmt.Errorf("the home directory of DevServer %s is the PersistentVolumeClaim %s, which devctl does not resize: resize the claim itself", ds.Name, claim.ClaimName))
	}
	if len(o.changes(ds)) == 0 {
		_, err := output.Printf(streams.Out, "DevServer %s already has that and is unchanged.\n", ds.Name)
		return err
	}
	flavor, err := o.possible(ctx, c, ds)
	if err != nil {
		return err
	}
	grows := o.growsVolume(ds)
	if grows {
		unchecked, err := o.checkGrowth(ctx, c, ds)
		if err != nil {
			return err
		}
		if unchecked != "" {
			output.Printf(streams.ErrOut, "Could not check whether the home directory can grow: %s.\n", unchecked)
		}
	}
	restarts := o.restarts(ds)
	o.running = restarts && cluster.HasProcesses(ctx, c, ds)
	if o.running && !o.Yes {
		if err := confirm.Ask(ctx, question(ds, o, flavor), streams); err != nil {
			return err
		}
	}
	o.Waiting.Replaced = ds.Status.StartedAt
	if err := cluster.Edit(ctx, c, ds, doing(ds), o.changes); err != nil {
		return err
	}
	sentence := report(ds, o, flavor)
	if o.Waiting.Wait && restarts {
		output.Println(streams.ErrOut, sentence) // Out has only how to log in.
	} else if _, err := output.Println(streams.Out, sentence); err != nil {
		return err
	}
	if grows {
		if err := o.awaitGrowth(ctx, c, o.Waiting.Wait && !restarts, streams); err != nil {
			return err
		}
	}
	if !o.Waiting.Wait || !restarts {
		return nil
	}
	return wait.Run(ctx, c, o.Waiting, streams)
}

func doing(ds *devserverv1.DevServer) string {
	return fmt.Sprintf("resizing DevServer %s in namespace %s", ds.Name, ds.Namespace)
}

// changes are the fields of the spec to change. Naming the default flavor that the
// server already has changes nothing.
func (o *Options) changes(ds *devserverv1.DevServer) map[string]any {
	fields := map[string]any{}
	if o.Flavor != "" && o.Flavor != cluster.FlavorName(ds) {
		fields["flavor"] = o.Flavor
	}
	if size, err := resource.ParseQuantity(o.HomeSize); err == nil && size.Cmp(ds.Spec.PersistentHomeSize) != 0 {
		fields["persistentHomeSize"] = size.String()
	}
	return fields
}

// restarts tells whether the change restarts the server: another flavor does, and
// so does another size of an ephemeral home, which is part of the pod.
func (o *Options) restarts(ds *devserverv1.DevServer) bool {
	changes := o.changes(ds)
	_, other := changes["flavor"]
	_, resized := changes["persistentHomeSize"]
	return (other || resized && isEphemeral(ds)) && !ds.Spec.Suspend && !serverstate.IsSuspended(ds)
}

func isEphemeral(ds *devserverv1.DevServer) bool {
	return ds.Spec.Home != nil && ds.Spec.Home.Ephemeral
}

// possible refuses a change that cannot work, and returns the new flavor; nil if
// it stays, or if the user may not read flavors.
func (o *Options) possible(ctx context.Context, c client.Client, ds *devserverv1.DevServer) (*devserverv1.DevServerFlavor, error) {
	list, err := flavors.List(ctx, c)
	if err != nil && exit.Code(err) != exit.Refused {
		return nil, err
	}
	var flavor *devserverv1.DevServerFlavor
	if err == nil {
		if flavor = flavors.Find(list.Items, cmp.Or(o.Flavor, cluster.FlavorName(ds))); flavor == nil && o.Flavor != "" {
			return nil, exit.With(exit.Refused, errors.New(flavors.Unknown(o.Flavor, list.Items)))
		}
		if never := flavors.NeverFits(flavor); never != "" && o.Flavor != "" && !o.AnyCapacity {
			return nil, exit.With(exit.Refused, fmt.Errorf("%s: %s: choose another flavor, or, if nodes are added on demand, use --ignore-capacity", doing(ds), never))
		}
	}
	// A dry run finds what the API server refuses before the question is asked.
	patch, err := json.Marshal(map[string]any{"spec": o.changes(ds)})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing(ds), err)
	}
	tried := ds.DeepCopy()
	if err := c.Patch(ctx, tried, client.RawPatch(types.MergePatchType, patch), client.DryRunAll); err != nil {
		return nil, cluster.Explain(err, doing(ds))
	}
	if flavor != nil {
		if refused := flavors.Refused(tried, flavor); refused != "" {
			return nil, exit.With(exit.Refused, fmt.Errorf("%s: %s", doing(ds), refused))
		}
	}
	if o.Flavor == "" {
		return nil, nil
	}
	return flavor, nil
}

func question(ds *devserverv1.DevServer, o Options, flavor *devserverv1.DevServerFlavor) confirm.Question {
	means := "It restarts: its processes end. Its home directory, keys and address stay."
	if isEphemeral(ds) {
		means = "It restarts: its processes end, and its ephemeral home directory is emptied."
	}
	if why := flavors.NoRoom(flavor); why != "" {
		means += " " + why + " That does not count the room that this server frees."
	}
	purpose := "to resize its home directory"
	if o.Flavor != "" {
		purpose = "to change its flavor to " + o.Flavor
	}
	return confirm.Question{
		Title: fmt.Sprintf("Restart DevServer %s %s?", ds.Name, purpose),
		Means: []string{means}, Yes: "Resize", Left: "nothing was changed",
	}
}

// report says what changes, for the DevServer before the edit.
func report(ds *devserverv1.DevServer, o Options, flavor *devserverv1.DevServerFlavor) string {
	var parts []string
	changes := o.changes(ds)
	if _, changed := changes["flavor"]; changed {
		to := "flavor " + o.Flavor
		if flavor != nil {
			to += fmt.Sprintf(" (%s)", flavors.Size(flavor))
		}
		if !o.restarts(ds) {
			to += " at its next start"
		}
		parts = append(parts, "it gets "+to)
	}
	if size, changed := changes["persistentHomeSize"]; changed {
		parts = append(parts, fmt.Sprintf("its home directory grows from %s to %s", &ds.Spec.PersistentHomeSize, size))
	}
	if o.running {
		parts = append(parts, "it restarts")
	}
	sentence := fmt.Sprintf("DevServer %s is resized: %s.", ds.Name, strings.Join(parts, ", and "))
	if why := flavors.NoRoom(flavor); why != "" {
		sentence += " " + why
	}
	return sentence
}
