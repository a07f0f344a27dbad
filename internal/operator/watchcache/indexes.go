package watchcache

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/capacity"
)

// The fields by which the cache can list DevServers, DevServerFlavors, DevServerUsers
// and pods, with client.MatchingFields. The API server does not support them as field
// selectors.
const (
	// FieldFlavor is the name in spec.flavor, empty for the default flavor.
	FieldFlavor = "flavor"
	// FieldClaim is the name of each PersistentVolumeClaim that the object mounts, the
	// home included, or copies its home from, whether it exists or not.
	FieldClaim = "claim"
	// FieldOwner is spec.owner.
	FieldOwner = "owner"
	// FieldNode is the node of a server's pod. Other pods do not have it.
	FieldNode = "node"
)

// Index is one field of one kind.
type Index struct {
	Kind   client.Object
	Field  string
	Values client.IndexerFunc
}

// Indexes returns all indexes.
func Indexes() []Index {
	return []Index{
		{&devv1.DevServer{}, FieldFlavor, values(func(d *devv1.DevServer) []string { return []string{d.Spec.Flavor} })},
		{&devv1.DevServer{}, FieldClaim, values(claimsOfServer)},
		{&devv1.DevServer{}, FieldOwner, values(func(d *devv1.DevServer) []string { return []string{d.Spec.Owner} })},
		{&devv1.DevServerFlavor{}, FieldClaim, values(claimsOfFlavor)},
		{&corev1.Pod{}, FieldNode, values(nodeOfServer)},
		{&devv1.DevServerUser{}, FieldOwner, values(func(u *devv1.DevServerUser) []string { return []string{u.Spec.Owner} })},
	}
}

// AddIndexes adds all indexes to a cache that has not started yet.
func AddIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, i := range Indexes() {
		if err := indexer.IndexField(ctx, i.Kind, i.Field, i.Values); err != nil {
			return fmt.Errorf("indexing %T by %s: %w", i.Kind, i.Field, err)
		}
	}
	return nil
}

// List lists from the cache without copying, which matters with thousands of
// objects. The caller must not change anything that the objects refer to. List does not
// wait until the cache has the operator's last writes, because the operator writes no
// indexed field.
func List(ctx context.Context, c client.Reader, list client.ObjectList, opts ...client.ListOption) error {
	opts = append(opts, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err := c.List(ctx, list, opts...); err != nil {
		return fmt.Errorf("listing from the watch cache (%T): %w", list, err)
	}
	return nil
}

func values[T client.Object](of func(T) []string) client.IndexerFunc {
	return func(object client.Object) []string { return of(object.(T)) } //nolint:forcetypeassert // an informer is of one kind
}

func nodeOfServer(pod *corev1.Pod) []string {
	if pod.Spec.NodeName == "" || !capacity.Ours(pod) {
		return nil
	}
	return []string{pod.Spec.NodeName}
}

func claimsOfServer(d *devv1.DevServer) []string {
	claims := []string{objects.HomeClaimName(d.Name)}
	if d.Spec.SharedVolumeClaimName != "" {
		claims = append(claims, d.Spec.SharedVolumeClaimName)
	}
	home := objects.Home(d)
	if home.ClaimName != "" {
		claims = append(claims, home.ClaimName)
	}
	if source := home.DataSource; source != nil && source.Kind == "PersistentVolumeClaim" {
		claims = append(claims, source.Name)
	}
	for _, v := range d.Spec.Volumes {
		claims = append(claims, v.ClaimName)
	}
	return claims
}

func claimsOfFlavor(flavor *devv1.DevServerFlavor) []string {
	claims := make([]string, 0, len(flavor.Spec.Volumes))
	for _, v := range flavor.Spec.Volumes {
		claims = append(claims, v.ClaimName)
	}
	return claims
}
