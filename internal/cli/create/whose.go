package create

import (
	"context"
	"errors"
	"fmt"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/exit"
)

// settle determines the owner and the namespace of the server.
func (c *creator) settle(ctx context.Context, to *cluster.Cluster) error {
	if c.Owner == "" {
		name, err := whoAmI(ctx, to.Client)
		if err != nil {
			return err
		}
		c.Owner = name
	}
	c.Waiting.Namespace = to.Namespace
	own := namespaceOf(ctx, to.Client, c.Owner)
	switch {
	case own == "" || own == to.Namespace:
	case to.Chosen:
		fmt.Fprintf(c.streams.ErrOut, "%s has the namespace %s; using namespace %s, as chosen.\n", c.Owner, own, to.Namespace)
	default:
		c.Waiting.Namespace = own
		fmt.Fprintf(c.streams.ErrOut, "Using namespace %s, which belongs to %s.\n", own, c.Owner)
	}
	return nil
}

// whoAmI is the name by which the API server knows this user. Its policies compare
// the owner with that name.
func whoAmI(ctx context.Context, c client.Client) (string, error) {
	var review authenticationv1.SelfSubjectReview
	if err := c.Create(ctx, &review); err != nil {
		return "", cluster.Explain(err, "asking the cluster who you are")
	}
	if name := review.Status.UserInfo.Username; name != "" {
		return name, nil
	}
	return "", exit.With(exit.Refused, errors.New("the cluster does not know your name: name the owner with --owner"))
}

// namespaceOf returns the namespace of the DevServerUser with that owner. It is empty
// if no such DevServerUser exists, or if the user is not an admin, because only admins
// can read DevServerUsers.
func namespaceOf(ctx context.Context, c client.Reader, owner string) string {
	var people devserverv1.DevServerUserList
	if c.List(ctx, &people) != nil {
		return ""
	}
	i := slices.IndexFunc(people.Items, func(u devserverv1.DevServerUser) bool { return u.Spec.Owner == owner && u.Status.Namespace != "" })
	if i < 0 {
		return ""
	}
	return people.Items[i].Status.Namespace
}

// elsewhere adds to a denial in the default namespace that the user may have
// another namespace.
func (c *creator) elsewhere(err error) error {
	if !apierrors.IsForbidden(err) || c.Waiting.Namespace != metav1.NamespaceDefault {
		return err
	}
	return exit.With(exit.Refused, fmt.Errorf("%w; if you have a namespace of your own, such as dev-NAME, name it with -n", err))
}
