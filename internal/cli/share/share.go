package share

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// Options say which DevServer and which keys are meant.
type Options struct {
	Namespace, Name string
	Keys            keys.Options
	Users           []string // owners of DevServerUsers
	Words           []string // fingerprints and comments, of keys to remove
}

// named tells whether a flag names keys.
func (o *Options) named() bool { return o.Keys.Asked() || len(o.Users) > 0 }

// add lets the keys log in.
func add(ctx context.Context, c client.Client, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	wanted, err := o.find(ctx, c)
	if err != nil {
		return err
	}
	var added, known []keys.Key
	doing := fmt.Sprintf("sharing DevServer %s in namespace %s", ds.Name, ds.Namespace)
	err = cluster.Edit(ctx, c, ds, doing, func(ds *devserverv1.DevServer) map[string]any {
		added, known = nil, nil
		present, lines := ofSpec(ds), slices.Clone(ds.Spec.SSH.PublicKeys)
		for _, key := range wanted {
			if slices.ContainsFunc(present, key.Same) {
				known = append(known, key)
				continue
			}
			added, present, lines = append(added, key), append(present, key), append(lines, key.Line)
		}
		if len(added) == 0 {
			return nil
		}
		return map[string]any{"ssh": map[string]any{"publicKeys": lines}}
	})
	if err != nil {
		return err
	}
	for _, key := range added {
		output.Println(streams.Out, "added", text(key))
	}
	for _, key := range known {
		output.Println(streams.Out, "unchanged", text(key))
	}
	if ssh := ds.Status.SSH; ssh != nil && ssh.Command != "" {
		output.Printf(streams.ErrOut, "To log in to DevServer %s with these keys: %s\n", ds.Name, ssh.Command)
	}
	return nil
}

// remove keeps the keys from logging in.
func remove(ctx context.Context, c client.Client, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.GetAlive(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	var unwanted []keys.Key
	if o.named() {
		if unwanted, err = o.find(ctx, c); err != nil {
			return err
		}
	}
	var removed []keys.Key
	var refused error
	doing := fmt.Sprintf("removing keys from DevServer %s in namespace %s", ds.Name, ds.Namespace)
	err = cluster.Edit(ctx, c, ds, doing, func(ds *devserverv1.DevServer) map[string]any {
		var fields map[string]any
		if removed, refused = o.chosen(ds, unwanted); refused == nil {
			fields, refused = without(ds, removed)
		}
		return fields
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return err
	}
	for _, key := range removed {
		output.Println(streams.Out, "removed", text(key))
	}
	output.Println(streams.ErrOut, "Open sessions of removed keys are closed within seconds.")
	return stillOpen(ctx, c, ds, removed, streams)
}

// chosen are the keys of the DevServer that are to be removed.
func (o *Options) chosen(ds *devserverv1.DevServer, unwanted []keys.Key) (chosen []keys.Key, err error) {
	present := ofSpec(ds)
	for _, word := range o.Words {
		named := slices.Clone(present)
		named = keys.Unique(slices.DeleteFunc(named, func(key keys.Key) bool { return key.Fingerprint != word && key.Comment != word }))
		switch len(named) {
		case 0:
			return nil, exit.With(exit.NotFound, fmt.Errorf("DevServer %s has no key with the fingerprint or comment %q: to list its keys: devctl share %s -n %s", ds.Name, word, ds.Name, ds.Namespace))
		case 1:
			chosen = append(chosen, named[0])
		default:
			return nil, exit.With(exit.Refused, fmt.Errorf("DevServer %s has %d keys with the comment %q: name one by its fingerprint: devctl share %s -n %s lists them", ds.Name, len(named), word, ds.Name, ds.Namespace))
		}
	}
	for _, key := range present {
		if slices.ContainsFunc(unwanted, key.Same) {
			chosen = append(chosen, key)
		}
	}
	if len(chosen) == 0 {
		return nil, exit.With(exit.NotFound, fmt.Errorf("DevServer %s has none of these keys: to list its keys: devctl share %s -n %s", ds.Name, ds.Name, ds.Namespace))
	}
	return keys.Unique(chosen), nil
}

// without are the fields of the spec that change when the keys are removed.
func without(ds *devserverv1.DevServer, removed []keys.Key) (map[string]any, error) {
	ssh, left := map[string]any{}, 0
	if line := ds.Spec.SSH.PublicKey; line != "" {
		if slices.ContainsFunc(removed, parse(line, "").Same) {
			ssh["publicKey"] = nil
		} else {
			left++
		}
	}
	lines := slices.DeleteFunc(slices.Clone(ds.Spec.SSH.PublicKeys), func(line string) bool { return slices.ContainsFunc(removed, parse(line, "").Same) })
	if left += len(lines); left == 0 {
		return nil, exit.With(exit.Refused, fmt.Errorf("no key would be left that may log in to DevServer %s: add another first: devctl share %s -n %s --key FILE", ds.Name, ds.Name, ds.Namespace))
	}
	if len(lines) < len(ds.Spec.SSH.PublicKeys) {
		ssh["publicKeys"] = lines
	}
	return map[string]any{"ssh": ssh}, nil
}

// stillOpen warns of removed keys that the DevServerUser of the owner has too.
func stillOpen(ctx context.Context, c client.Reader, ds *devserverv1.DevServer, removed []keys.Key, streams genericiooptions.IOStreams) error {
	theirs, err := ofOwner(ctx, c, ds.Spec.Owner)
	if err != nil {
		output.Printf(streams.ErrOut, "A key that %s has in a DevServerUser can still log in; only admins can see those.\n", ds.Spec.Owner)
		return nil //nolint:nilerr // The keys are removed. This is a remark.
	}
	for _, key := range removed {
		if i := slices.IndexFunc(theirs, key.Same); i >= 0 {
			output.Printf(streams.ErrOut, "%s can still log in: it is in %s.\n", key.Fingerprint, theirs[i].Source)
		}
	}
	return nil
}

// list prints the keys that may log in.
func list(ctx context.Context, c client.Client, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.Get(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	theirs, err := ofOwner(ctx, c, ds.Spec.Owner)
	t := output.NewTable([]string{"Fingerprint", "Type", "Comment", "From"})
	for _, key := range append(ofSpec(ds), theirs...) {
		output.AddRow(t, &metav1.PartialObjectMetadata{}, key.Fingerprint, key.Type, output.OrNone(key.Comment), key.Source)
	}
	if err != nil {
		output.Printf(streams.ErrOut, "If %s has a DevServerUser, its keys may log in too; only admins can see them.\n", ds.Spec.Owner)
	}
	return (&output.Flags{Format: output.Table}).PrintTable(t, streams.Out)
}
