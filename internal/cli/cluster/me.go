package cluster

import (
	"context"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Me is the name by which the cluster knows the user. Owners of DevServers are
// compared with it.
func Me(ctx context.Context, c client.Client) (string, error) {
	var review authenticationv1.SelfSubjectReview
	if err := c.Create(ctx, &review); err != nil {
		return "", Explain(err, "asking the cluster who you are")
	}
	return review.Status.UserInfo.Username, nil
}
