package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/precedence"
)

// Find reads an object; nil if it does not exist, or cannot be read by this user.
func Find[T client.Object](ctx context.Context, c client.Reader, object T, namespace, name string) (T, error) {
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	if err == nil {
		return object, nil
	}
	var none T
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return none, nil
	}
	return none, Explain(err, fmt.Sprintf("reading %T %s", object, name))
}

// FindAll reads objects; none if they cannot be read by this user.
func FindAll(ctx context.Context, c client.Reader, objects client.ObjectList, options ...client.ListOption) error {
	if err := c.List(ctx, objects, options...); err != nil && !apierrors.IsForbidden(err) {
		return Explain(err, fmt.Sprintf("reading %T", objects))
	}
	return nil
}

// UserOf is the DevServerUser that counts for an owner: the oldest that is not being
// deleted, as for the operator; nil without one. Only admins may read them.
func UserOf(ctx context.Context, c client.Reader, owner string) (*devserverv1.DevServerUser, error) {
	var users devserverv1.DevServerUserList
	err := c.List(ctx, &users)
	return precedence.Oldest(users.Items, func(u *devserverv1.DevServerUser) bool {
		return u.Spec.Owner == owner && u.DeletionTimestamp.IsZero()
	}), err
}

// Policy is what a DevServer's flavor allows. It sets no bounds if the user may not
// read the flavor.
func Policy(ctx context.Context, c client.Reader, ds *devserverv1.DevServer) policy.Policy {
	var flavor devserverv1.DevServerFlavor
	if c.Get(ctx, client.ObjectKey{Name: FlavorName(ds)}, &flavor) != nil {
		return policy.Policy{}
	}
	p, _ := policy.Resolve(ds, &flavor, policy.Defaults{}) // A schedule that cannot be parsed sets no bound.
	return p
}
