package create

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/sshconfig"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
)

// creator is one run of the command.
type creator struct {
	Options
	client  client.WithWatch
	streams genericiooptions.IOStreams
	// flavors are the flavors of the cluster; known tells whether they could be read.
	flavors []devserverv1.DevServerFlavor
	known   bool
	// asked tells whether a form asked for some of the options.
	asked bool
}

// Run creates the DevServer, if everything that it refers to exists, and waits until it
// is running.
func Run(ctx context.Context, to *cluster.Cluster, o Options, streams genericiooptions.IOStreams) error {
	c := &creator{Options: o, client: to.Client, streams: streams}
	if err := c.settle(ctx, to); err != nil {
		return err
	}
	if err := c.readFlavors(ctx); err != nil {
		return err
	}
	if c.missing() {
		if err := c.ask(ctx); err != nil {
			return err
		}
	}
	found, err := keys.Find(ctx, c.Keys)
	if err != nil {
		return err
	}
	existing, err := c.existing(ctx)
	if err != nil {
		return err
	}
	wanted, err := c.devServer(found)
	if err != nil {
		return err
	}
	if existing != nil {
		return c.compare(ctx, existing, wanted)
	}
	flavor, err := c.check(ctx, wanted)
	if err != nil {
		return err
	}
	home, err := c.oldHome(ctx)
	if err != nil {
		return err
	}
	if c.asked && !c.DryRun {
		if err := c.confirm(ctx, wanted); err != nil {
			return err
		}
	}
	if err := c.create(ctx, wanted, flavor, found, home); err != nil || c.DryRun {
		return err
	}
	sshconfig.RefreshIfOptedIn(ctx, to, c.Waiting.Namespace, c.Waiting.Name, streams)
	return nil
}

// readFlavors reads the flavors. A user who may not read them can still name one.
func (c *creator) readFlavors(ctx context.Context) error {
	list, err := flavors.List(ctx, c.client)
	switch {
	case err == nil:
		c.flavors, c.known = list.Items, true
	case exit.Code(err) != exit.Refused:
		return err
	}
	return nil
}

// existing returns the DevServer that already has the name, or nil.
func (c *creator) existing(ctx context.Context) (*devserverv1.DevServer, error) {
	ds, err := cluster.Get(ctx, c.client, c.Waiting.Namespace, c.Waiting.Name)
	switch exit.Code(err) {
	case exit.NotFound:
		return nil, nil
	case exit.OK:
		return ds, cluster.Alive(ds)
	}
	return nil, c.elsewhere(err)
}

// patience is how long the request that creates the DevServer may take.
const patience = 30 * time.Second

// create writes the DevServer, reports it, and waits for it.
func (c *creator) create(ctx context.Context, wanted *devserverv1.DevServer, flavor *devserverv1.DevServerFlavor, found []keys.Key, home string) error {
	if err := ctx.Err(); err != nil {
		return exit.With(exit.Interrupted, errors.New("stopped: nothing was created"))
	}
	doing := fmt.Sprintf("creating DevServer %s in namespace %s", wanted.Name, wanted.Namespace)
	// Ctrl-C does not interrupt the request, because it would then be unknown whether
	// the server exists.
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	made := wanted.DeepCopy()
	var options []client.CreateOption
	if c.DryRun {
		options = append(options, client.DryRunAll)
	}
	err := c.client.Create(writing, made, options...)
	if apierrors.IsAlreadyExists(err) {
		return exit.With(exit.Refused, fmt.Errorf("%s: another client created it at the same time: repeat the command to compare", doing))
	}
	if err != nil {
		return c.elsewhere(cluster.Explain(err, doing))
	}
	if c.DryRun {
		return c.dryRun(wanted)
	}
	return c.report(ctx, made, flavor, found, home)
}

// dryRun prints the DevServer that would be created, without the fields that the
// cluster adds.
func (c *creator) dryRun(wanted *devserverv1.DevServer) error {
	if c.Output.Format != text {
		object, err := manifest(wanted)
		if err != nil {
			return err
		}
		return c.Output.Print(object, c.client.Scheme(), c.streams.Out)
	}
	_, err := output.Printf(c.streams.Out, "DevServer %s would be created in namespace %s for %s. Nothing was written.\n", wanted.Name, wanted.Namespace, wanted.Spec.Owner)
	return err
}

// report prints what was created, and waits until it is running.
func (c *creator) report(ctx context.Context, made *devserverv1.DevServer, flavor *devserverv1.DevServerFlavor, found []keys.Key, home string) error {
	out := c.streams.Out
	if c.Output.Format != text {
		if err := c.Output.Print(made, c.client.Scheme(), c.streams.Out); err != nil {
			return err
		}
		out = c.streams.ErrOut
	}
	sentence := created(made, flavor, found, home)
	if !c.Waiting.Wait {
		_, err := output.Printf(out, "%s To wait for it: devctl wait %s -n %s\n", sentence, made.Name, made.Namespace)
		return err
	}
	output.Println(c.streams.ErrOut, sentence)
	return c.wait(ctx, flavor)
}

// wait waits until the user can log in. It gives up if the server cannot start until
// others free resources, because the user can choose another flavor.
func (c *creator) wait(ctx context.Context, flavor *devserverv1.DevServerFlavor) error {
	options, streams := c.Waiting, c.streams
	options.GiveUpOn = []string{devserverv1.ReasonQuotaExceeded}
	if flavors.NoRoom(flavor) != "" {
		options.GiveUpOn = append(options.GiveUpOn, devserverv1.ReasonUnschedulable)
	}
	if c.Output.Format != text {
		streams.Out = io.Discard // The object was printed to it.
	}
	name, ns := c.Waiting.Name, c.Waiting.Namespace
	err := wait.Run(ctx, c.client, options, streams)
	if exit.Code(err) != exit.Refused {
		return err
	}
	return exit.With(exit.Refused, fmt.Errorf("%s; it starts once that is fixed; to wait for it: devctl wait %s -n %s; to delete it: devctl delete %s -n %s",
		strings.TrimSuffix(err.Error(), "."), name, ns, name, ns))
}

// created describes the DevServer that was created.
func created(ds *devserverv1.DevServer, flavor *devserverv1.DevServerFlavor, found []keys.Key, home string) string {
	parts := []string{}
	if flavor != nil {
		parts = append(parts, fmt.Sprintf("flavor %s (%s)", flavor.Name, flavors.Size(flavor)))
	}
	if home == "" {
		home = "home " + ds.Spec.PersistentHomeSize.String()
	}
	parts = slices.DeleteFunc(append(parts, ds.Spec.Image, home, keys.Words(found)), func(s string) bool { return s == "" })
	sentence := fmt.Sprintf("DevServer %s was created in namespace %s for %s: %s.", ds.Name, ds.Namespace, ds.Spec.Owner, strings.Join(parts, ", "))
	if why := flavors.NoRoom(flavor); why != "" {
		sentence += " " + why
	}
	return sentence
}
