package create

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// settle determines the owner and the namespace of the server.
func (c *creator) settle(ctx context.Context, to *cluster.Cluster) error {
	if c.Owner == "" {
		var err error
		if c.Owner, err = cluster.Me(ctx, to.Client); err != nil {
			return err
		}
		if c.Owner == "" {
			return exit.With(exit.Refused, errors.New("the cluster does not know your name: name the owner with --owner"))
		}
	}
	c.Waiting.Namespace = to.Namespace
	own := "" // also for everybody but admins
	if user, err := cluster.UserOf(ctx, to.Client, c.Owner); err == nil && user != nil {
		own = user.Status.Namespace
	}
	switch {
	case own == "" || own == to.Namespace:
	case to.Chosen:
		output.Printf(c.streams.ErrOut, "%s has the namespace %s; using namespace %s, as chosen.\n", c.Owner, own, to.Namespace)
	default:
		c.Waiting.Namespace = own
		output.Printf(c.streams.ErrOut, "Using namespace %s, which belongs to %s.\n", own, c.Owner)
	}
	return nil
}

// elsewhere adds to a denial in the default namespace that the user may have
// another namespace.
func (c *creator) elsewhere(err error) error {
	if !apierrors.IsForbidden(err) || c.Waiting.Namespace != metav1.NamespaceDefault {
		return err
	}
	return exit.With(exit.Refused, fmt.Errorf("%w; if you have a namespace of your own, such as dev-NAME, name it with -n", err))
}
