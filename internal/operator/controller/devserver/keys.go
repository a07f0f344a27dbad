package devserver

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/internal/operator/watchcache"
	"devserver.io/devserver/internal/precedence"
	"devserver.io/devserver/internal/sshkeys"
)

// userOf is the DevServerUser of the owner, or nil. If two have the same owner, the
// younger one reports that in its own status.
func (r *Reconciler) userOf(ctx context.Context, d *devv1.DevServer) (*devv1.DevServerUser, error) {
	users := &devv1.DevServerUserList{}
	if err := watchcache.List(ctx, r.Client, users, client.MatchingFields{watchcache.FieldOwner: d.Spec.Owner}); err != nil {
		return nil, err
	}
	return precedence.Oldest(users.Items, func(u *devv1.DevServerUser) bool { return u.DeletionTimestamp.IsZero() }), nil
}

// authorizedKeys decodes the keys: the API server has checked their form, not what
// is in their base64. A key in the DevServer that does not decode is a problem, and
// is left out; the others are authorized all the same, so that a removed key stops
// working whatever was added in its place. A key in the DevServerUser that does not
// decode is reported in the DevServerUser's status.
func authorizedKeys(d *devv1.DevServer, user *devv1.DevServerUser) (lines []string, problem *status.Problem) {
	seen := map[string]bool{}
	add := func(line string) error {
		key, _, err := sshkeys.ParseAuthorized(line)
		if err != nil {
			return err
		}
		if wire := string(key.Marshal()); !seen[wire] {
			seen[wire] = true
			lines = append(lines, line)
		}
		return nil
	}
	own := func(field, line string) {
		if err := add(line); err != nil && problem == nil {
			problem = &status.Problem{Reason: devv1.ReasonInvalidKey, Message: fmt.Sprintf("%s is not a usable public key: %v", field, err)}
		}
	}
	if line := d.Spec.SSH.PublicKey; line != "" {
		own("spec.ssh.publicKey", line)
	}
	for i, line := range d.Spec.SSH.PublicKeys {
		own(fmt.Sprintf("spec.ssh.publicKeys[%d]", i), line)
	}
	if user != nil {
		for _, line := range user.Spec.PublicKeys {
			_ = add(line) // The DevServerUser's status reports it.
		}
	}
	return lines, problem
}
