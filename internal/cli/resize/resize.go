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
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/serverstate"
)

// Options say what to resize, and to what. What is empty stays.
type Options struct {
	Waiting          wait.Options // has the name
	Wait             bool
	Flavor, HomeSize string
	// Yes is the answer to the question.
	Yes bool
}

func (o *Options) check() error {
	if o.Flavor == "" && o.HomeSize == "" {
		return exit.With(exit.Usage, errors.New("say what is to change: --flavor, --home-size or both"))
	}
	if o.HomeSize != "" {
		if _, err := resource.ParseQuantity(o.HomeSize); err != nil {
			return exit.With(exit.Usage, fmt.Errorf("--home-size %q is no size from 1Mi to 1Pi, such as 200Gi", o.HomeSize))
		}
	}
	return o.Waiting.Check()
}

// Run resizes the DevServer, once it is clear that it can be done, and, where
// something ends by it, that it is wanted.
func Run(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Waiting.Namespace, o.Waiting.Name)
	if err != nil {
		return err
	}
	if claim := ds.Spec.Home; o.HomeSize != "" && claim != nil && claim.ClaimName != "" {
		return exit.With(exit.Refused, fmt.Errorf("the home directory of DevServer %s is the PersistentVolumeClaim %s, which is not its own and is not resized with it: resize the claim", ds.Name, claim.ClaimName))
	}
	if len(o.changes(ds)) == 0 {
		_, err := fmt.Fprintf(streams.Out, "DevServer %s has that already, and is unchanged.\n", ds.Name)
		return err
	}
	flavor, err := o.possible(ctx, c, ds)
	if err != nil {
		return err
	}
	restarts := o.restarts(ds)
	if restarts && !o.Yes {
		if err := confirm.Ask(ctx, question(ds, o, flavor), streams); err != nil {
			return err
		}
	}
	o.Waiting.Replaced = ds.Status.StartedAt
	if err := cluster.Edit(ctx, c, ds, doing(ds), o.changes); err != nil {
		return err
	}
	sentence := report(ds, o, flavor)
	if !o.Wait || !restarts {
		_, err := fmt.Fprintln(streams.Out, sentence)
		return err
	}
	fmt.Fprintln(streams.ErrOut, sentence)
	return wait.Run(ctx, c, o.Waiting, streams)
}

func doing(ds *devserverv1.DevServer) string {
	return fmt.Sprintf("resizing DevServer %s in namespace %s", ds.Name, ds.Namespace)
}

// changes are the fields of the spec that are to become others. The default
// flavor by its name is the one that it has.
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

// restarts tells whether it ends what runs: another flavor does, and so does
// another size of a home that is a part of the pod.
func (o *Options) restarts(ds *devserverv1.DevServer) bool {
	changes := o.changes(ds)
	_, other := changes["flavor"]
	_, resized := changes["persistentHomeSize"]
	return (other || resized && isEphemeral(ds)) && !ds.Spec.Suspend && !serverstate.IsSuspended(ds)
}

func isEphemeral(ds *devserverv1.DevServer) bool {
	return ds.Spec.Home != nil && ds.Spec.Home.Ephemeral
}

// possible refuses what cannot be done, and returns the new flavor; nil where
// it stays, or may not be seen.
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
	}
	// What the API server refuses is refused before anybody is asked.
	patch, err := json.Marshal(map[string]any{"spec": o.changes(ds)})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing(ds), err)
	}
	tried := ds.DeepCopy()
	if err := c.Patch(ctx, tried, client.RawPatch(types.MergePatchType, patch), client.DryRunAll); err != nil {
		return nil, cluster.Explain(err, doing(ds))
	}
	if flavor != nil {
		if refused := refused(tried, flavor); refused != "" {
			return nil, exit.With(exit.Refused, fmt.Errorf("%s: %s", doing(ds), refused))
		}
	}
	if o.Flavor == "" {
		return nil, nil
	}
	return flavor, nil
}

// refused is what the operator would say to the DevServer.
func refused(ds *devserverv1.DevServer, flavor *devserverv1.DevServerFlavor) string {
	_, violation := policy.Resolve(ds, flavor, policy.Defaults{})
	switch {
	case objects.HasOwnClaim(ds) && policy.HomeSizeRefused(ds.Spec.PersistentHomeSize, flavor) != "":
		return policy.HomeSizeRefused(ds.Spec.PersistentHomeSize, flavor)
	case ds.Spec.Image != "" && policy.ImageRefused(ds.Spec.Image, flavor) != "":
		return policy.ImageRefused(ds.Spec.Image, flavor)
	case violation != nil:
		return violation.Message
	}
	return ""
}

func question(ds *devserverv1.DevServer, o Options, flavor *devserverv1.DevServerFlavor) confirm.Question {
	means := "It restarts for that: what runs in it ends. Its home directory, keys and address stay."
	if isEphemeral(ds) {
		means = "It restarts for that: what runs in it ends, and its home directory, which is ephemeral, is emptied."
	}
	if why := flavors.NoRoom(flavor); why != "" {
		means += " " + why + " What it gives up itself is not counted."
	}
	purpose := "to resize its home directory"
	if o.Flavor != "" {
		purpose = "to give it the flavor " + o.Flavor
	}
	return confirm.Question{
		Title: fmt.Sprintf("Restart DevServer %s, %s?", ds.Name, purpose),
		Means: means, Yes: "Resize", Left: "nothing was changed",
	}
}

// report says what becomes of the DevServer, as it was before.
func report(ds *devserverv1.DevServer, o Options, flavor *devserverv1.DevServerFlavor) string {
	var parts []string
	changes := o.changes(ds)
	if _, changed := changes["flavor"]; changed {
		to := "flavor " + o.Flavor
		if flavor != nil {
			to += fmt.Sprintf(" (%s)", flavors.Size(flavor))
		}
		if !o.restarts(ds) {
			to += " from its next start on"
		}
		parts = append(parts, "it gets "+to)
	}
	if size, changed := changes["persistentHomeSize"]; changed {
		parts = append(parts, fmt.Sprintf("its home grows from %s to %s", &ds.Spec.PersistentHomeSize, size))
	}
	if o.restarts(ds) {
		parts = append(parts, "it restarts")
	}
	sentence := fmt.Sprintf("DevServer %s is resized: %s.", ds.Name, strings.Join(parts, ", and "))
	if why := flavors.NoRoom(flavor); why != "" {
		sentence += " " + why
	}
	return sentence
}
