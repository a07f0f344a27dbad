package devserver

import (
	"context"
	"fmt"
	"slices"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/seniority"
	"devserver.io/devserver/internal/sshkeys"
	"devserver.io/devserver/internal/status"
)

// resolveUser finds the DevServerUser of the owner, if there is one.
func (r *Reconciler) resolveUser(_ context.Context, d *devv1.DevServer, in *resolved) (*status.Problem, error) {
	users, err := r.Cached.Users.By(indexOwner, d.Spec.Owner)
	if err != nil {
		return nil, err
	}
	// Where two have one owner, the younger is told so in its own status.
	in.user = seniority.Oldest(slices.Values(users), func(u *devv1.DevServerUser) bool { return u.DeletionTimestamp.IsZero() })
	return nil, nil
}

// resolveKeys decodes the keys: the API server has checked their form, not
// what is in their base64. A key of the DevServer's own that is no key is its
// owner's to mend; one of the DevServerUser is said there, and left out here.
func (r *Reconciler) resolveKeys(_ context.Context, d *devv1.DevServer, in *resolved) (*status.Problem, error) {
	var keys authorized
	if line := d.Spec.SSH.PublicKey; line != "" {
		if err := keys.add(line); err != nil {
			return invalidKey("spec.ssh.publicKey", err), nil
		}
	}
	for i, line := range d.Spec.SSH.PublicKeys {
		if err := keys.add(line); err != nil {
			return invalidKey(fmt.Sprintf("spec.ssh.publicKeys[%d]", i), err), nil
		}
	}
	if in.user != nil {
		for _, line := range in.user.Spec.PublicKeys {
			_ = keys.add(line) // As said above.
		}
	}
	in.AuthorizedKeys = keys.lines
	return nil, nil
}

func invalidKey(field string, err error) *status.Problem {
	return &status.Problem{Reason: devv1.ReasonInvalidKey, Message: fmt.Sprintf("%s is not a usable public key: %v", field, err)}
}

// authorized are public keys, each once.
type authorized struct {
	lines []string
	seen  map[string]bool
}

func (a *authorized) add(line string) error {
	key, _, err := sshkeys.ParseAuthorized(line)
	if err != nil {
		return err
	}
	if wire := string(key.Marshal()); !a.seen[wire] {
		if a.seen == nil {
			a.seen = map[string]bool{}
		}
		a.seen[wire] = true
		a.lines = append(a.lines, line)
	}
	return nil
}
