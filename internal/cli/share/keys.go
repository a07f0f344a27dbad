package share

import (
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

// parse reads a line. One that is no key has no fingerprint that others have: it
// stays in the spec, where the operator reports it.
func parse(line, source string) keys.Key {
	key, err := keys.Parse(line, source)
	if err != nil {
		key = keys.Key{Line: line, Fingerprint: "<invalid>", Type: "<invalid>", Comment: err.Error(), Source: source}
	}
	key.Comment = printable.Line(key.Comment, longestComment)
	return key
}

// text describes a key.
func text(k keys.Key) string {
	return fmt.Sprintf("%s (%s)", k.Fingerprint, strings.TrimSpace(k.Type+" "+k.Comment))
}

// ofSpec are the keys in the DevServer itself.
func ofSpec(ds *devserverv1.DevServer) (found []keys.Key) {
	for _, line := range append([]string{ds.Spec.SSH.PublicKey}, ds.Spec.SSH.PublicKeys...) {
		if line != "" {
			found = append(found, parse(line, "DevServer "+ds.Name))
		}
	}
	return found
}

// ofOwner are the keys of the DevServerUser with that owner, which every
// DevServer of theirs accepts. Only admins may read DevServerUsers.
func ofOwner(ctx context.Context, c client.Reader, owner string) (found []keys.Key, err error) {
	user, err := cluster.UserOf(ctx, c, owner)
	if err != nil || user == nil {
		return nil, err
	}
	for _, line := range user.Spec.PublicKeys {
		found = append(found, parse(line, "DevServerUser "+user.Name))
	}
	return found, nil
}

// find returns the keys that the flags name, each once.
func (o *Options) find(ctx context.Context, c client.Reader) (found []keys.Key, err error) {
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
		found = append(found, parse(line, ""))
	}
	if search.Asked() { // Otherwise it would find the keys of the user at this terminal.
		named, err := keys.Find(ctx, search)
		if err != nil {
			return nil, err
		}
		for _, key := range named {
			found = append(found, parse(key.Line, key.Source))
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
	if slices.ContainsFunc(found, parse("", "").Same) {
		return nil, exit.With(exit.Refused, errors.New("one of the keys cannot be decoded: name the others with --key"))
	}
	return keys.Unique(found), nil
}

// isLiteral tells whether --key has a key in place of the name of a file: all
// types of keys begin so, and a space follows.
func isLiteral(key string) bool {
	kind, _, spaced := strings.Cut(strings.TrimSpace(key), " ")
	return spaced && (strings.HasPrefix(kind, "ssh-") || strings.HasPrefix(kind, "ecdsa-") || strings.HasPrefix(kind, "sk-"))
}
