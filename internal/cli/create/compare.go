package create

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/serverstate"
)

// compare is for a server that is there already: nothing is changed, and what
// was asked for has to be what it is.
func (c *creator) compare(ctx context.Context, there, wanted *devserverv1.DevServer) error {
	if there.Spec.Owner != wanted.Spec.Owner {
		return exit.With(exit.Refused, fmt.Errorf("DevServer %s is there already in namespace %s, and belongs to %s: choose another name", there.Name, there.Namespace, there.Spec.Owner))
	}
	if c.HomeSize == "" {
		wanted.Spec.PersistentHomeSize = there.Spec.PersistentHomeSize // It was not asked for.
	}
	if differ := differences(there, wanted, c.Keys.Asked()); len(differ) > 0 {
		return exit.With(exit.Refused, different(there, differ))
	}
	if c.Output.Format != text {
		return c.Output.Print(there, c.client.Scheme(), c.streams.Out)
	}
	sentence := fmt.Sprintf("DevServer %s is there already in namespace %s, unchanged.", there.Name, there.Namespace)
	switch {
	case serverstate.IsSuspended(there) || there.Spec.Suspend:
		sentence += fmt.Sprintf(" It sleeps; to start it: devctl start %s -n %s", there.Name, there.Namespace)
	case c.Wait && !c.DryRun:
		fmt.Fprintln(c.streams.ErrOut, sentence)
		return c.wait(ctx, c.flavor())
	}
	_, err := fmt.Fprintln(c.streams.Out, sentence)
	return err
}

// difference is a part of what was asked for that the server does not have.
type difference struct {
	words string
	// resize is the flag of devctl resize that changes it, or field the field of
	// the spec that has to become value.
	resize string
	field  string
	value  any
}

// inherited is what holds for what the DevServer does not say itself.
const inherited = "the flavor's"

// differences are those between what was asked for and what is there. What was
// not asked for may be as it is.
func differences(there, wanted *devserverv1.DevServer, keysAsked bool) (found []difference) {
	is, want := there.Spec, wanted.Spec
	if want.Flavor != "" && want.Flavor != cluster.FlavorName(there) {
		found = append(found, difference{words: fmt.Sprintf("its flavor is %s, not %s", cmp.Or(cluster.FlavorName(there), "the default"), want.Flavor), resize: "--flavor " + quote(want.Flavor)})
	}
	if !want.PersistentHomeSize.IsZero() && want.PersistentHomeSize.Cmp(is.PersistentHomeSize) != 0 {
		d := difference{words: fmt.Sprintf("its home has %s, not %s", &is.PersistentHomeSize, &want.PersistentHomeSize)}
		if want.PersistentHomeSize.Cmp(is.PersistentHomeSize) > 0 {
			d.resize = "--home-size " + want.PersistentHomeSize.String()
		} else {
			d.words += ", and a home does not shrink"
		}
		found = append(found, d)
	}
	texts := []struct{ field, what, is, want string }{
		{"image", "image", cmp.Or(is.Image, inherited), want.Image},
		{"sharedVolumeClaimName", "shared claim", cmp.Or(is.SharedVolumeClaimName, "none"), want.SharedVolumeClaimName},
	}
	for _, t := range texts {
		if t.want != "" && t.want != t.is {
			found = append(found, difference{words: fmt.Sprintf("its %s is %s, not %s", t.what, t.is, t.want), field: t.field, value: t.want})
		}
	}
	return append(append(found, times(is.Lifecycle, want.Lifecycle)...), lists(is, want, keysAsked)...)
}

// times compares when the server stops by itself.
func times(is, want *devserverv1.LifecycleSpec) []difference {
	if want == nil {
		return nil
	}
	if is == nil {
		is = &devserverv1.LifecycleSpec{}
	}
	var words []string
	fields := map[string]any{}
	for _, t := range []struct {
		field, what string
		is, want    *metav1.Duration
	}{{"timeToLive", "time to live", is.TimeToLive, want.TimeToLive}, {"idleTimeout", "idle timeout", is.IdleTimeout, want.IdleTimeout}} {
		if t.want == nil || t.is != nil && t.is.Duration == t.want.Duration {
			continue
		}
		now := inherited
		if t.is != nil {
			now = policy.Short(t.is.Duration)
		}
		words = append(words, fmt.Sprintf("its %s is %s, not %s", t.what, now, policy.Short(t.want.Duration)))
		fields[t.field] = t.want
	}
	if len(words) == 0 {
		return nil
	}
	return []difference{{words: strings.Join(words, "; "), field: "lifecycle", value: fields}}
}

// lists compares what there may be several of: all that was asked for has to
// be there, and more may be. Of keys that were only found, one is enough to
// log in.
func lists(is, want devserverv1.DevServerSpec, keysAsked bool) (found []difference) {
	volumes, changed := merge(is.Volumes, want.Volumes, func(a, b devserverv1.VolumeMount) bool { return a.MountPath == b.MountPath })
	if changed != nil {
		found = append(found, difference{words: "it does not mount " + changed.ClaimName + " at " + changed.MountPath + " like that", field: "volumes", value: volumes})
	}
	env, variable := merge(is.Env, want.Env, func(a, b devserverv1.EnvVar) bool { return a.Name == b.Name })
	if variable != nil {
		found = append(found, difference{words: "its variable " + variable.Name + " is another", field: "env", value: env})
	}
	wanted := append([]string{want.SSH.PublicKey}, want.SSH.PublicKeys...)
	missing := slices.DeleteFunc(slices.Clone(wanted), func(line string) bool {
		return slices.ContainsFunc(append([]string{is.SSH.PublicKey}, is.SSH.PublicKeys...), func(other string) bool { return keys.Same(line, other) })
	})
	if len(missing) == len(wanted) || keysAsked && len(missing) > 0 {
		words := "your key may not log in to it"
		if keysAsked {
			words = "one of the keys may not log in to it"
		}
		found = append(found, difference{words: words, field: "ssh", value: map[string]any{"publicKeys": append(slices.Clone(is.SSH.PublicKeys), missing...)}})
	}
	return found
}

// merge puts what is wanted into a list, in the place of what has the same
// identity, and returns the first that was not there as it is wanted.
func merge[T comparable](is, want []T, same func(a, b T) bool) (merged []T, first *T) {
	merged = slices.Clone(is)
	for i, w := range want {
		at := slices.IndexFunc(merged, func(other T) bool { return same(other, w) })
		switch {
		case at < 0:
			merged = append(merged, w)
		case merged[at] == w:
			continue
		default:
			merged[at] = w
		}
		if first == nil {
			first = &want[i]
		}
	}
	return merged, first
}

// different says in what the server differs, and how to change it.
func different(there *devserverv1.DevServer, differ []difference) error {
	var words, flags []string
	fields := map[string]any{}
	for _, d := range differ {
		words = append(words, d.words)
		if d.resize != "" {
			flags = append(flags, d.resize)
		}
		if d.field != "" {
			fields[d.field] = d.value
		}
	}
	var how []string
	if len(flags) > 0 {
		how = append(how, fmt.Sprintf("devctl resize %s -n %s %s", there.Name, there.Namespace, strings.Join(flags, " ")))
	}
	if len(fields) > 0 {
		patch, err := json.Marshal(map[string]any{"spec": fields})
		if err != nil {
			return err
		}
		how = append(how, fmt.Sprintf("kubectl patch devserver %s -n %s --type merge -p %s", there.Name, there.Namespace, quote(string(patch))))
	}
	text := fmt.Sprintf("DevServer %s is there already in namespace %s, and was not changed: %s", there.Name, there.Namespace, strings.Join(words, "; "))
	if len(how) > 0 {
		text += "; to change that: " + strings.Join(how, " && ")
	}
	return errors.New(text)
}
