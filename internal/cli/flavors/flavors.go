package flavors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/policy"
)

// Options say which flavors to list, and how. Without names it lists all.
type Options struct {
	output.Flags
	Names []string
}

// Run lists flavors.
func Run(ctx context.Context, c client.Client, o Options, streams genericiooptions.IOStreams) error {
	list, err := List(ctx, c)
	if err != nil {
		return err
	}
	for _, name := range o.Names {
		if Find(list.Items, name) == nil {
			return exit.With(exit.NotFound, errors.New(Unknown(name, list.Items)))
		}
	}
	if len(o.Names) > 0 {
		list.Items = slices.DeleteFunc(list.Items, func(f devserverv1.DevServerFlavor) bool { return !slices.Contains(o.Names, f.Name) })
	}
	switch {
	case !o.ForPeople() && len(o.Names) == 1:
		return o.Print(&list.Items[0], c.Scheme(), streams.Out)
	case !o.ForPeople():
		return o.Print(list, c.Scheme(), streams.Out)
	case len(list.Items) == 0:
		_, err := output.Println(streams.ErrOut, "There are no flavors, so no DevServer can start: ask the cluster's admin for one.")
		return err
	}
	return o.PrintTable(table(list), streams.Out, "Image", "Home", "Default", "In use", "Schedulable", "Memory")
}

// List reads all flavors.
func List(ctx context.Context, c client.Reader) (*devserverv1.DevServerFlavorList, error) {
	var list devserverv1.DevServerFlavorList
	if err := c.List(ctx, &list); err != nil {
		return nil, cluster.Explain(err, "listing the flavors")
	}
	return &list, nil
}

// Find is the flavor of that name, nil if it does not exist.
func Find(list []devserverv1.DevServerFlavor, name string) *devserverv1.DevServerFlavor {
	return first(list, func(f devserverv1.DevServerFlavor) bool { return f.Name == name })
}

func first(list []devserverv1.DevServerFlavor, match func(devserverv1.DevServerFlavor) bool) *devserverv1.DevServerFlavor {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return &list[i]
	}
	return nil
}

// Default is the flavor of servers that name none, nil if there is none.
func Default(list []devserverv1.DevServerFlavor) *devserverv1.DevServerFlavor {
	current := func(f devserverv1.DevServerFlavor) bool {
		return meta.IsStatusConditionTrue(f.Status.Conditions, devserverv1.ConditionDefault)
	}
	// The operator may not have processed a new one yet.
	return cmp.Or(first(list, current), first(list, func(f devserverv1.DevServerFlavor) bool { return f.Spec.Default }))
}

// Unknown says that a flavor does not exist, and which do.
func Unknown(name string, list []devserverv1.DevServerFlavor) string {
	return fmt.Sprintf("flavor %q does not exist: %s", name, Choices(list))
}

// Choices names the flavors, those that fit now first.
func Choices(list []devserverv1.DevServerFlavor) string {
	var fit, full []string
	for i := range list {
		if list[i].Status.Schedulable == devserverv1.SchedulableNo {
			full = append(full, list[i].Name)
		} else {
			fit = append(fit, list[i].Name)
		}
	}
	switch {
	case len(list) == 0:
		return "the cluster has none; ask its admin for one"
	case len(fit) == 0:
		return "choose from " + strings.Join(full, ", ") + " (no room now)"
	case len(full) == 0:
		return "choose from " + strings.Join(fit, ", ")
	}
	return fmt.Sprintf("choose from %s; without room now: %s", strings.Join(fit, ", "), strings.Join(full, ", "))
}

// Refused is why the operator would refuse a DevServer with that flavor; empty if
// the server is within all bounds.
func Refused(ds *devserverv1.DevServer, flavor *devserverv1.DevServerFlavor) string {
	_, violation := policy.Resolve(ds, flavor, policy.Defaults{})
	refused := ""
	if ds.Spec.Image != "" {
		refused = policy.ImageRefused(ds.Spec.Image, flavor)
	}
	if size := ds.Spec.PersistentHomeSize; refused == "" && objects.HasOwnClaim(ds) && !size.IsZero() {
		refused = policy.HomeSizeRefused(size, flavor)
	}
	if refused == "" && violation != nil {
		refused = violation.Message
	}
	return refused
}

func table(list *devserverv1.DevServerFlavorList) *metav1.Table {
	columns := []string{"Name", "CPU", "Memory", "GPU", "Fits", "In use", "Schedulable", "Default", "Home", "Image", "Message"}
	t := output.NewTable(columns, "Home", "Image", "Message")
	standard := Default(list.Items)
	for i := range list.Items {
		f, isDefault := &list.Items[i], ""
		if f == standard {
			isDefault = "yes"
		}
		size := sizeOf(f)
		output.AddRow(t, f,
			f.Name, output.OrNone(size.cpu), output.OrNone(size.memory), output.OrNone(size.devices), count(f.Status.Fits), count(f.Status.InUse),
			output.OrNone(string(f.Status.Schedulable)), isDefault, homes(f.Spec.HomeSize), output.OrNone(f.Spec.Image), output.OrNone(message(f)))
	}
	return t
}

// count is <none> until the operator has counted.
func count(n *int32) string {
	if n == nil {
		return output.OrNone("")
	}
	return strconv.Itoa(int(*n))
}

// homes is the allowed size of a home directory.
func homes(bounds *devserverv1.SizeBounds) string {
	switch {
	case bounds == nil || bounds.Min == nil && bounds.Max == nil:
		return "any size"
	case bounds.Min == nil:
		return "up to " + bounds.Max.String()
	case bounds.Max == nil:
		return "from " + bounds.Min.String()
	}
	return bounds.Min.String() + "-" + bounds.Max.String()
}

func message(f *devserverv1.DevServerFlavor) string {
	if c := meta.FindStatusCondition(f.Status.Conditions, devserverv1.ConditionSchedulable); c != nil {
		return c.Message
	}
	return ""
}
