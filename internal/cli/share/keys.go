package share

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/printable"
	"devserver.io/devserver/internal/sshkeys"
)

// longestComment is how many characters of a comment are shown.
const longestComment = 100

// publicKey is a key that may log in.
type publicKey struct {
	// line is what a .pub file has: type, base64 and comment.
	line                       string
	fingerprint, kind, comment string
	// from is the object that has the key.
	from string
}

// parse reads a line. One that is no key has no fingerprint that others have: it
// stays in the spec, where the operator reports it.
func parse(line string) publicKey {
	public, comment, err := sshkeys.ParseAuthorized(line)
	if err != nil {
		return publicKey{line: line, fingerprint: "<invalid>", kind: "<invalid>", comment: printable.Line(err.Error(), longestComment)}
	}
	return publicKey{line: line, fingerprint: sshkeys.Fingerprint(public), kind: public.Type(), comment: printable.Line(comment, longestComment)}
}

// same tells whether both are one key, whatever their comments are.
func (k publicKey) same(other publicKey) bool { return k.fingerprint == other.fingerprint }

func (k publicKey) String() string {
	return fmt.Sprintf("%s (%s)", k.fingerprint, strings.TrimSpace(k.kind+" "+k.comment))
}

// ofSpec are the keys in the DevServer itself.
func ofSpec(ds *devserverv1.DevServer) (found []publicKey) {
	for _, line := range append([]string{ds.Spec.SSH.PublicKey}, ds.Spec.SSH.PublicKeys...) {
		if line != "" {
			key := parse(line)
			key.from = "DevServer " + ds.Name
			found = append(found, key)
		}
	}
	return found
}

// ofOwner are the keys of the DevServerUser with that owner, which every
// DevServer of theirs accepts. Only admins may read DevServerUsers.
func ofOwner(ctx context.Context, c client.Reader, owner string) (found []publicKey, err error) {
	var users devserverv1.DevServerUserList
	if err := c.List(ctx, &users); err != nil {
		return nil, err
	}
	// Of two with the same owner, the older counts.
	slices.SortFunc(users.Items, func(a, b devserverv1.DevServerUser) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	i := slices.IndexFunc(users.Items, func(u devserverv1.DevServerUser) bool { return u.Spec.Owner == owner })
	if i < 0 {
		return nil, nil
	}
	for _, line := range users.Items[i].Spec.PublicKeys {
		key := parse(line)
		key.from = "DevServerUser " + users.Items[i].Name
		found = append(found, key)
	}
	return found, nil
}

// find returns the keys that the flags name, each once.
func (o *Options) find(ctx context.Context, c client.Reader) (found []publicKey, err error) {
	search := o.Keys
	search.Files = nil
	for _, key := range o.Keys.Files {
		if !isLiteral(key) {
			search.Files = append(search.Files, key)
			continue
		}
		line := strings.Join(strings.Fields(key), " ")
		if _, _, err := sshkeys.ParseAuthorized(line); err != nil {
			return nil, exit.With(exit.Refused, fmt.Errorf("reading --key: %w", err))
		}
		found = append(found, parse(line))
	}
	if search.Asked() { // Otherwise it would find the keys of the user at this terminal.
		keys, err := keys.Find(ctx, search)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			found = append(found, parse(key.Line))
		}
	}
	for _, owner := range o.Users {
		theirs, err := ofOwner(ctx, c, owner)
		switch {
		case apierrors.IsForbidden(err):
			return nil, exit.With(exit.Refused, fmt.Errorf("only admins may read DevServerUsers: ask %s for a public key, and pass it with --key", owner))
		case err != nil:
			return nil, cluster.Explain(err, "reading the keys of "+owner)
		case len(theirs) == 0:
			return nil, exit.With(exit.Refused, fmt.Errorf("no DevServerUser with the owner %s has a key: devctl users list shows owners and their number of keys", owner))
		}
		found = append(found, theirs...)
	}
	if slices.ContainsFunc(found, parse("").same) {
		return nil, exit.With(exit.Refused, errors.New("one of the keys cannot be decoded: name the others with --key"))
	}
	return unique(found), nil
}

// isLiteral tells whether --key has a key in place of the name of a file: all
// types of keys begin so, and a space follows.
func isLiteral(key string) bool {
	kind, _, spaced := strings.Cut(strings.TrimSpace(key), " ")
	return spaced && (strings.HasPrefix(kind, "ssh-") || strings.HasPrefix(kind, "ecdsa-") || strings.HasPrefix(kind, "sk-"))
}

// unique leaves out keys that come again.
func unique(all []publicKey) (once []publicKey) {
	for _, key := range all {
		if !slices.ContainsFunc(once, key.same) {
			once = append(once, key)
		}
	}
	return once
}
