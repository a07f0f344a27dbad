package homes

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/objects"
)

// Options say which home directories to list, and how.
type Options struct {
	output.Flags
	Namespace string
	// Mine lists only those of the user.
	Mine bool
}

// Run lists home directories.
func Run(ctx context.Context, c client.Client, o Options, streams genericiooptions.IOStreams) error {
	owner, where := "", "in namespace "+o.Namespace
	scope := []client.ListOption{client.InNamespace(o.Namespace)}
	if o.Namespaces {
		where, scope = "in all namespaces", nil
	}
	if o.Mine {
		var err error
		if owner, err = cluster.Me(ctx, c); err != nil {
			return err
		}
		where = "of " + owner + " " + where
	}
	homes, users, err := read(ctx, c, where, scope...)
	if err != nil {
		return err
	}
	if owner != "" {
		homes.Items = slices.DeleteFunc(homes.Items, func(claim corev1.PersistentVolumeClaim) bool {
			return claim.Annotations[objects.AnnotationOwner] != owner
		})
	}
	switch {
	case !o.ForPeople():
		return o.Print(homes, c.Scheme(), streams.Out)
	case len(homes.Items) == 0:
		_, err := output.Printf(streams.ErrOut, "There are no home directories %s.\n", where)
		return err
	}
	return o.PrintTable(table(homes, users, time.Now()), streams.Out, "Age", "Last server", "Owner")
}

// read returns the claims that are home directories, and the DevServer that uses
// each. A claim is one if it has the annotation with the owner, or if a DevServer
// has it as its home.
func read(ctx context.Context, c client.Client, where string, scope ...client.ListOption) (*corev1.PersistentVolumeClaimList, map[types.NamespacedName]string, error) {
	var servers devserverv1.DevServerList
	if err := c.List(ctx, &servers, scope...); err != nil {
		return nil, nil, cluster.ExplainList(err, "listing DevServers "+where, len(scope) == 0)
	}
	var claims corev1.PersistentVolumeClaimList
	if err := c.List(ctx, &claims, scope...); err != nil {
		return nil, nil, cluster.ExplainList(err, "listing PersistentVolumeClaims "+where, len(scope) == 0)
	}
	users := map[types.NamespacedName]string{}
	for i := range servers.Items {
		if claim := objects.HomeClaimOf(&servers.Items[i]); claim != "" {
			users[types.NamespacedName{Namespace: servers.Items[i].Namespace, Name: claim}] = servers.Items[i].Name
		}
	}
	claims.Items = slices.DeleteFunc(claims.Items, func(claim corev1.PersistentVolumeClaim) bool {
		return claim.Annotations[objects.AnnotationOwner] == "" && users[client.ObjectKeyFromObject(&claim)] == ""
	})
	slices.SortFunc(claims.Items, func(a, b corev1.PersistentVolumeClaim) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return &claims, users, nil
}

func table(homes *corev1.PersistentVolumeClaimList, users map[types.NamespacedName]string, now time.Time) *metav1.Table {
	t := output.NewTable([]string{"Name", "Owner", "Size", "Used by", "Last server", "Age", "Storage class", "Status"}, "Storage class", "Status")
	for i := range homes.Items {
		claim := &homes.Items[i]
		state := string(claim.Status.Phase)
		if !claim.DeletionTimestamp.IsZero() {
			state = "Terminating"
		}
		output.AddRow(t, claim,
			claim.Name, output.OrNone(claim.Annotations[objects.AnnotationOwner]), Size(claim),
			output.OrNone(users[client.ObjectKeyFromObject(claim)]), output.OrNone(claim.Labels[objects.LabelInstance]),
			duration.HumanDuration(now.Sub(claim.CreationTimestamp.Time)), output.OrNone(ptr.Deref(claim.Spec.StorageClassName, "")), output.OrNone(state))
	}
	return t
}

// Size is the capacity of a home's volume, or what was requested before it has one.
func Size(claim *corev1.PersistentVolumeClaim) string {
	size, ok := claim.Status.Capacity[corev1.ResourceStorage]
	if !ok {
		size = claim.Spec.Resources.Requests[corev1.ResourceStorage]
	}
	return size.String()
}
