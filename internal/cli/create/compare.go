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
	"k8s.io/utils/ptr"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/serverstate"
)

// compare handles a server that already exists: it changes nothing, and succeeds if
// the server has all that was asked for.
func (c *creator) compare(ctx context.Context, existing, wanted *devserverv1.DevServer) error {
	if existing.Spec.Owner != wanted.Spec.Owner {
		return exit.With(exit.Refused, fmt.Errorf("DevServer %s already exists in namespace %s and belongs to %s: choose another name", existing.Name, existing.Namespace, existing.Spec.Owner))
	}
	if c.HomeSize == "" {
		wanted.Spec.PersistentHomeSize = existing.Spec.PersistentHomeSize // It was not asked for.
	}
	if differ := differences(existing, wanted, c.Keys.Asked()); len(differ) > 0 {
		return exit.With(exit.Refused, different(existing, differ))
	}
	if c.Output.Format != text {
		return c.Output.Print(existing, c.client.Scheme(), c.streams.Out)
	}
	sentence := fmt.Sprintf("DevServer %s already exists in namespace %s and is unchanged.", existing.Name, existing.Namespace)
	switch {
	case serverstate.IsSuspended(existing) || existing.Spec.Suspend:
		sentence += fmt.Sprintf(" It is %s; to start it: devctl start %s -n %s", strings.ToLower(string(cmp.Or(existing.Status.Phase, devserverv1.PhaseSuspended))), existing.Name, existing.Namespace)
	case c.Waiting.Wait && !c.DryRun:
		output.Println(c.streams.ErrOut, sentence)
		return c.wait(ctx, c.flavor())
	}
	_, err := output.Println(c.streams.Out, sentence)
	return err
}

// difference is something asked for that the server does not have.
type difference struct {
	words string
	// verb and flag are the devctl command that changes it. Otherwise field is the
	// field of the spec to set to value.
	verb, flag string
	field      string
	value      any
}

// inherited stands for a value that the DevServer leaves to its flavor.
const inherited = "the flavor's"

// differences lists what was asked for and differs in the existing server. What was
// not asked for does not count.
func differences(existing, wanted *devserverv1.DevServer, keysAsked bool) (found []difference) {
	have, want := existing.Spec, wanted.Spec
	if want.Flavor != "" && want.Flavor != cluster.FlavorName(existing) {
		found = append(found, difference{words: fmt.Sprintf("its flavor is %s, not %s", cmp.Or(cluster.FlavorName(existing), "the default"), want.Flavor), verb: "resize", flag: "--flavor " + reach.ShellQuote(want.Flavor)})
	}
	if !want.PersistentHomeSize.IsZero() && want.PersistentHomeSize.Cmp(have.PersistentHomeSize) != 0 {
		d := difference{words: fmt.Sprintf("its home directory has %s, not %s", &have.PersistentHomeSize, &want.PersistentHomeSize)}
		if want.PersistentHomeSize.Cmp(have.PersistentHomeSize) > 0 {
			d.verb, d.flag = "resize", "--home-size "+want.PersistentHomeSize.String()
		} else {
			d.words += ", and a home directory does not shrink"
		}
		found = append(found, d)
	}
	if want.Image != "" && want.Image != have.Image {
		found = append(found, difference{words: fmt.Sprintf("its image is %s, not %s", cmp.Or(have.Image, inherited), want.Image), verb: "set-image", flag: reach.ShellQuote(want.Image)})
	}
	if claim := want.SharedVolumeClaimName; claim != "" && claim != have.SharedVolumeClaimName {
		found = append(found, difference{words: fmt.Sprintf("its shared claim is %s, not %s", cmp.Or(have.SharedVolumeClaimName, "none"), claim), field: "sharedVolumeClaimName", value: claim})
	}
	if class := storageClass(want); class != "" && class != storageClass(have) {
		found = append(found, difference{words: fmt.Sprintf("the StorageClass of its home directory is %s, not %s, and cannot change", cmp.Or(storageClass(have), "the default"), class)})
	}
	return append(append(found, times(have.Lifecycle, want.Lifecycle)...), lists(have, want, keysAsked)...)
}

func storageClass(spec devserverv1.DevServerSpec) string {
	return ptr.Deref(ptr.Deref(spec.Home, devserverv1.HomeSpec{}).StorageClassName, "")
}

// times compares the time to live and the idle timeout.
func times(have, want *devserverv1.LifecycleSpec) []difference {
	if want == nil {
		return nil
	}
	have = cmp.Or(have, &devserverv1.LifecycleSpec{})
	var words []string
	fields := map[string]any{}
	for _, t := range []struct {
		field, what string
		have, want  *metav1.Duration
	}{{"timeToLive", "time to live", have.TimeToLive, want.TimeToLive}, {"idleTimeout", "idle timeout", have.IdleTimeout, want.IdleTimeout}} {
		if t.want == nil || (t.have != nil && t.have.Duration == t.want.Duration) {
			continue
		}
		now := inherited
		if t.have != nil {
			now = policy.Short(t.have.Duration)
		}
		words = append(words, fmt.Sprintf("its %s is %s, not %s", t.what, now, policy.Short(t.want.Duration)))
		fields[t.field] = t.want
	}
	if len(words) == 0 {
		return nil
	}
	return []difference{{words: strings.Join(words, "; "), field: "lifecycle", value: fields}}
}

// lists compares volumes, variables and keys: the server must have all that were
// asked for, and may have more. Of keys that were found without being named, one
// is enough.
func lists(have, want devserverv1.DevServerSpec, keysAsked bool) (found []difference) {
	volumes, changed := merge(have.Volumes, want.Volumes, func(a, b devserverv1.VolumeMount) bool { return a.MountPath == b.MountPath })
	if changed != nil {
		found = append(found, difference{words: "it does not mount " + changed.ClaimName + " at " + changed.MountPath + " that way", field: "volumes", value: volumes})
	}
	env, variable := merge(have.Env, want.Env, func(a, b devserverv1.EnvVar) bool { return a.Name == b.Name })
	if variable != nil {
		found = append(found, difference{words: "its variable " + variable.Name + " differs", field: "env", value: env})
	}
	wanted := append([]string{want.SSH.PublicKey}, want.SSH.PublicKeys...)
	missing := slices.DeleteFunc(slices.Clone(wanted), func(line string) bool {
		return slices.ContainsFunc(append([]string{have.SSH.PublicKey}, have.SSH.PublicKeys...), func(other string) bool { return keys.Same(line, other) })
	})
	if len(missing) == len(wanted) || (keysAsked && len(missing) > 0) {
		words := "your key cannot log in"
		if keysAsked {
			words = "one of the keys cannot log in"
		}
		found = append(found, difference{words: words, field: "ssh", value: map[string]any{"publicKeys": append(slices.Clone(have.SSH.PublicKeys), missing...)}})
	}
	return found
}

// merge adds what is wanted to a list, in place of what has the same identity, and
// returns the first element that differed or was missing.
func merge[T comparable](have, want []T, same func(a, b T) bool) (merged []T, first *T) {
	merged = slices.Clone(have)
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

// different is the error that lists the differences and how to change them.
func different(existing *devserverv1.DevServer, differ []difference) error {
	var words, how []string
	flags, fields := map[string][]string{}, map[string]any{}
	for _, d := range differ {
		words = append(words, d.words)
		if d.verb != "" {
			flags[d.verb] = append(flags[d.verb], d.flag)
		}
		if d.field != "" {
			fields[d.field] = d.value
		}
	}
	for _, verb := range []string{"resize", "set-image"} {
		if len(flags[verb]) > 0 {
			how = append(how, fmt.Sprintf("devctl %s %s -n %s %s", verb, existing.Name, existing.Namespace, strings.Join(flags[verb], " ")))
		}
	}
	if len(fields) > 0 {
		patch, err := json.Marshal(map[string]any{"spec": fields})
		if err != nil {
			return err
		}
		how = append(how, fmt.Sprintf("kubectl patch devserver %s -n %s --type merge -p %s", existing.Name, existing.Namespace, reach.ShellQuote(string(patch))))
	}
	text := fmt.Sprintf("DevServer %s already exists in namespace %s and was not changed: %s", existing.Name, existing.Namespace, strings.Join(words, "; "))
	if len(how) > 0 {
		text += "; to change that: " + strings.Join(how, " && ")
	}
	return errors.New(text)
}
