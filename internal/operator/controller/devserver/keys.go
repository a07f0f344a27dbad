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

// resolveUser finds the DevServerUser of the owner, if there is one.
func (r *Reconciler) resolveUser(ctx context.Context, d *devv1.DevServer, in *resolved) error {
	users := &devv1.DevServerUserList{}
	if err := watchcache.List(ctx, r.Client, users, client.MatchingFields{watchcache.FieldOwner: d.Spec.Owner}); err != nil {
		return err
	}
	// Where two have one owner, the younger is told so in its own status.
	in.user = precedence.Oldest(precedence.Each(users.Items), func(u *devv1.DevServerUser) bool { return u.DeletionTimestamp.IsZero() })
	return nil
}

// resolveKeys decodes the keys: the API server has checked their form, not
// what is in their base64. A key in the DevServer that does not decode is
// reported, and left out; the others are authorized all the same, so that a
// removed key stops working whatever was added in its place. A key in the
// DevServerUser that does not decode is reported in the DevServerUser's status.
func resolveKeys(d *devv1.DevServer, in *resolved) *status.Problem {
	var keys authorized
	var problem *status.Problem
	add := func(field, line string) {
		if err := keys.add(line); err != nil && problem == nil {
			problem = invalidKey(field, err)
		}
	}
	if line := d.Spec.SSH.PublicKey; line != "" {
		add("spec.ssh.publicKey", line)
	}
	for i, line := range d.Spec.SSH.PublicKeys {
		add(fmt.Sprintf("spec.ssh.publicKeys[%d]", i), line)
	}
	if in.user != nil {
		for _, line := range in.user.Spec.PublicKeys {
			_ = keys.add(line) // The DevServerUser's status reports it.
		}
	}
	in.AuthorizedKeys = keys.lines
	return problem
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
