// Package apply is the one way in which the operator writes the objects of a
// DevServer or DevServerUser: server-side apply under one field owner.
//
// Nothing is sent when nothing differs, and an object of somebody else is
// never written.
package apply

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// FieldOwner is the field manager of every object that the operator applies.
const FieldOwner = client.FieldOwner("devserver-operator")

// Applier applies objects that belong to one object.
type Applier struct {
	// Client reads from the watch cache, which has seen what this client wrote.
	Client client.Client
	// Live reads from the API server. It is asked only after a conflict, and
	// before the first apply of a kind that has none.
	Live client.Reader

	mu sync.Mutex
	// applied remembers, per live object, what the last apply left behind, or
	// what was found to be as desired. Admission plugins may change what was sent; without this memory each
	// reconcile would try to change it back.
	applied map[types.UID]mark
}

type mark struct {
	resourceVersion, hash string
	// generation counts the changes of the spec, 0 for kinds that do not count.
	generation int64
}

// ConflictError says that an object of somebody else has the name that is
// needed. It is left as it is.
type ConflictError struct {
	Kind, Namespace, Name string
	// Leaving is set where that object is on its way out by itself: it belongs
	// to an owner of the same name that was deleted before.
	Leaving bool
}

func (e *ConflictError) Error() string {
	return title(e.Kind, e.Namespace, e.Name) + " belongs to somebody else"
}

// Apply makes an object as desired, with owner as its controller. It returns a
// *ConflictError where its name is taken.
func (a *Applier) Apply(ctx context.Context, owner client.Object, desired runtime.ApplyConfiguration) error {
	whose, err := controlled(owner, a.Client.Scheme())
	if err != nil {
		return err
	}
	return a.apply(ctx, whose, desired)
}

// ApplyMarked is Apply for an object that nothing controls, because it is to
// stay when its owner goes. The annotation, with the value that desired has,
// says whose it is.
func (a *Applier) ApplyMarked(ctx context.Context, annotation, value string, desired runtime.ApplyConfiguration) error {
	return a.apply(ctx, marked(annotation, value), desired)
}

func (a *Applier) apply(ctx context.Context, whose belonging, desired runtime.ApplyConfiguration) error {
	t, err := newTarget(desired, a.Client.Scheme())
	if err != nil {
		return err
	}
	live, err := a.known(ctx, t)
	if err != nil {
		return fmt.Errorf("reading %s: %w", t, err)
	}
	if live == nil {
		return a.first(ctx, whose, t)
	}
	if !whose.mine(live) {
		return whose.conflict(t, live)
	}
	if !live.GetDeletionTimestamp().IsZero() {
		return nil // Its deletion is an event, which brings us back.
	}
	same, err := a.unchanged(t, live)
	if err != nil || same {
		return err
	}
	return a.send(ctx, t.withUID(live.GetUID()), client.ForceOwnership)
}

// known returns the live object, or nil. It comes from the watch cache, which
// holds our own alone. Before a first apply that would not notice an object of
// somebody else it comes from the API server.
func (a *Applier) known(ctx context.Context, t *target) (client.Object, error) {
	live, err := a.cached(ctx, t)
	if live != nil || err != nil || !t.merges() {
		return live, err
	}
	live = t.empty()
	if err := a.Live.Get(ctx, t.key(), live); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return live, nil
}

// cached returns the live object from the watch cache, or nil. Kinds that are
// not cached, because nobody may list them, count as not there.
func (a *Applier) cached(ctx context.Context, t *target) (client.Object, error) {
	if !t.cached() {
		return nil, nil
	}
	live := t.empty()
	if err := a.Client.Get(ctx, t.key(), live, client.UnsafeDisableDeepCopy); err != nil { // It is only compared.
		return nil, client.IgnoreNotFound(err)
	}
	return live, nil
}

// first applies an object that is not known to be there. It does not force:
// where somebody else has set one of the fields, the API server says so, and
// one look at the object decides.
func (a *Applier) first(ctx context.Context, whose belonging, t *target) error {
	err := a.send(ctx, t)
	if !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) {
		return err
	}
	live := t.empty()
	if getErr := a.Live.Get(ctx, t.key(), live); getErr != nil {
		if apierrors.IsNotFound(getErr) {
			return err // Invalid for another reason, or gone since.
		}
		return fmt.Errorf("reading %s: %w", t, getErr)
	}
	if !whose.mine(live) {
		return whose.conflict(t, live)
	}
	if apierrors.IsInvalid(err) || !live.GetDeletionTimestamp().IsZero() {
		return err
	}
	return a.send(ctx, t.withUID(live.GetUID()), client.ForceOwnership)
}

func (a *Applier) send(ctx context.Context, t *target, opts ...client.ApplyOption) error {
	opts = append(opts, FieldOwner)
	if !t.cached() {
		// Nothing will ever be read of it, so there is no cache to wait for.
		opts = append(opts, client.DisableReadYourWritesConsistency)
	}
	if err := a.Client.Apply(ctx, t.config, opts...); err != nil {
		return fmt.Errorf("applying %s: %w", t, err)
	}
	a.remember(t)
	return nil
}

// unchanged tells whether live already is what the target asks for.
func (a *Applier) unchanged(t *target, live client.Object) (bool, error) {
	a.mu.Lock()
	last := a.applied[live.GetUID()]
	a.mu.Unlock()
	if last.hash == t.hash {
		if last.resourceVersion == live.GetResourceVersion() {
			return true, nil
		}
		if last.generation != 0 && last.generation == live.GetGeneration() {
			// A change of the status, as there are many, or of the metadata.
			return t.metadataWithin(live)
		}
	}
	// The hash is among the fields that are compared, and shows what is no
	// longer wanted; the rest shows what somebody changed since.
	same, err := t.within(live)
	if same {
		a.note(live.GetUID(), mark{live.GetResourceVersion(), t.hash, live.GetGeneration()})
	}
	return same, err
}

// remember notes what the apply left behind; t.config holds the metadata that
// the API server answered with.
func (a *Applier) remember(t *target) {
	if !t.cached() || t.meta.UID == nil || t.meta.ResourceVersion == nil {
		return
	}
	a.note(*t.meta.UID, mark{*t.meta.ResourceVersion, t.hash, ptr.Deref(t.meta.Generation, 0)})
}

// note remembers how an object is that is as desired.
func (a *Applier) note(uid types.UID, m mark) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.applied == nil {
		a.applied = map[types.UID]mark{}
	}
	a.applied[uid] = m
}

// ForgetDeleted is for the watches of kinds that are applied: it passes every
// event, and drops what is remembered of an object that is gone.
func (a *Applier) ForgetDeleted() predicate.Predicate {
	return predicate.Funcs{
		DeleteFunc: func(e event.DeleteEvent) bool {
			a.forget(e.Object.GetUID())
			return true
		},
	}
}

func (a *Applier) forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.applied, uid)
}
