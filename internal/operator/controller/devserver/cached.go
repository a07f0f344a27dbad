package devserver

import (
	"context"
	"errors"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/watchcache"
)

// Cached finds objects by what they name, without copies.
type Cached struct {
	Servers watchcache.Kind[*devv1.DevServer]
	Flavors watchcache.Kind[*devv1.DevServerFlavor]
	Users   watchcache.Kind[*devv1.DevServerUser]
}

// Names of the indexes.
const (
	// indexFlavor is on DevServers: the name of the flavor, empty for the default.
	indexFlavor = "flavor"
	// indexClaim is on DevServers, by claimIn, and on DevServerFlavors, by name.
	indexClaim = "claim"
	// indexOwner is on DevServers and on DevServerUsers.
	indexOwner = "owner"
)

// ServerIndexes, FlavorIndexes and UserIndexes are those of each kind.
var (
	ServerIndexes = toolscache.Indexers{
		indexFlavor: by(func(d *devv1.DevServer) []string { return []string{d.Spec.Flavor} }),
		indexClaim:  by(claimsOf),
		indexOwner:  by(func(d *devv1.DevServer) []string { return []string{d.Spec.Owner} }),
	}
	FlavorIndexes = toolscache.Indexers{indexClaim: by(claimsOfFlavor)}
	UserIndexes   = toolscache.Indexers{indexOwner: by(func(u *devv1.DevServerUser) []string { return []string{u.Spec.Owner} })}
)

func cached(ctx context.Context, in cache.Informers) (c Cached, err error) {
	var errs [3]error
	c.Servers, errs[0] = watchcache.In(ctx, in, &devv1.DevServer{}, ServerIndexes)
	c.Flavors, errs[1] = watchcache.In(ctx, in, &devv1.DevServerFlavor{}, FlavorIndexes)
	c.Users, errs[2] = watchcache.In(ctx, in, &devv1.DevServerUser{}, UserIndexes)
	return c, errors.Join(errs[:]...)
}

// by has an index of one kind of objects.
func by[T any](values func(T) []string) toolscache.IndexFunc {
	return func(object any) ([]string, error) { return values(object.(T)), nil } //nolint:forcetypeassert // an informer is of one kind
}

// claimIn is a claim of a namespace.
func claimIn(namespace, name string) string { return namespace + "/" + name }

func claimsOf(d *devv1.DevServer) []string {
	claims := []string{claimIn(d.Namespace, objects.HomeClaimName(d.Name))}
	if d.Spec.SharedVolumeClaimName != "" {
		claims = append(claims, claimIn(d.Namespace, d.Spec.SharedVolumeClaimName))
	}
	if d.Spec.Home != nil && d.Spec.Home.ClaimName != "" {
		claims = append(claims, claimIn(d.Namespace, d.Spec.Home.ClaimName))
	}
	for _, v := range d.Spec.Volumes {
		claims = append(claims, claimIn(d.Namespace, v.ClaimName))
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
