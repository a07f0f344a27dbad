// Package apply is how the operator writes the objects of a DevServer or a
// DevServerUser: server-side apply with one field owner. It sends nothing if
// nothing differs, and never writes an object that belongs to another owner.
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
	// Live reads from the API server. It is used only after a conflict, and before the
	// first apply of a kind whose objects merge without a conflict.
	Live client.Reader

	mu sync.Mutex
	// applied has the state of each live object after the last apply, or when it was
	// last found as desired. Admission plugins may change what was sent: without this,
	// every pass would try to change it back.
	applied map[types.UID]appliedState
}

// appliedState is the state of a live object that is as desired.
type appliedState struct {
	resourceVersion, hash string
	// generation is 0 for kinds without one.
	generation int64
}

// ConflictError says that another owner's object has the name that is required. That
// object is not changed.
type ConflictError struct {
	Kind, Namespace, Name string
	// Leaving is set if that object is being deleted anyway: it belongs to a deleted
	// owner of the same name.
	Leaving bool
}

func (e *ConflictError) Error() string {
	return title(e.Kind, e.Namespace, e.Name) + " belongs to another owner"
}

// Apply makes an object as desired, with owner as its controller. It returns a
// *ConflictError if the name is taken.
func (a *Applier) Apply(ctx context.Context, owner client.Object, desired runtime.ApplyConfiguration) error {
	owned, err := controlled(owner, a.Client.Scheme())
	if err != nil {
		return err
	}
	return a.apply(ctx, owned, desired)
}

// ApplyAnnotated is Apply for an object without a controller, which stays when its
// owner is deleted. The annotation, with the value that desired has, records whose it
// is.
func (a *Applier) ApplyAnnotated(ctx context.Context, annotation, value string, desired runtime.ApplyConfiguration) error {
	return a.apply(ctx, annotated(annotation, value), desired)
}

func (a *Applier) apply(ctx context.Context, owned ownership, desired runtime.ApplyConfiguration) error {
	t, err := newTarget(desired, a.Client.Scheme())
	if err != nil {
		return err
	}
	live, err := a.known(ctx, t)
	if err != nil {
		return fmt.Errorf("reading %s: %w", t, err)
	}
	if live == nil {
		return a.first(ctx, owned, t)
	}
	if !owned.includes(live) {
		return owned.conflict(t, live)
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

// known returns the live object, or nil. It reads from the watch cache, which may lack
// an object of another owner. If an unforced apply to such an object may succeed, it then
// reads from the API server.
func (a *Applier) known(ctx context.Context, t *target) (client.Object, error) {
	live := t.empty()
	if t.cached() {
		err := a.Client.Get(ctx, t.key(), live, client.UnsafeDisableDeepCopy) // It is only compared.
		if !apierrors.IsNotFound(err) {
			return live, err
		}
	}
	if !t.merges() {
		return nil, nil
	}
	if err := a.Live.Get(ctx, t.key(), live); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return live, nil
}

// first applies an object that is not known to exist. It does not force: if another
// field owner has set one of the fields, the API server reports a conflict, and the
// live object decides.
func (a *Applier) first(ctx context.Context, owned ownership, t *target) error {
	err := a.send(ctx, t)
	if !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) {
		return err
	}
	live := t.empty()
	if getErr := a.Live.Get(ctx, t.key(), live); getErr != nil {
		if apierrors.IsNotFound(getErr) {
			return err // Invalid for another reason, or deleted since.
		}
		return fmt.Errorf("reading %s: %w", t, getErr)
	}
	if !owned.includes(live) {
		return owned.conflict(t, live)
	}
	if apierrors.IsInvalid(err) || !live.GetDeletionTimestamp().IsZero() {
		return err
	}
	return a.send(ctx, t.withUID(live.GetUID()), client.ForceOwnership)
}

func (a *Applier) send(ctx context.Context, t *target, opts ...client.ApplyOption) error {
	opts = append(opts, FieldOwner)
	if !t.cached() {
		// It is never read from the cache, so there is nothing to wait for.
		opts = append(opts, client.DisableReadYourWritesConsistency)
	}
	if err := a.Client.Apply(ctx, t.config, opts...); err != nil {
		return fmt.Errorf("applying %s: %w", t, err)
	}
	a.remember(t)
	return nil
}

// unchanged tells whether live is as the target desires.
func (a *Applier) unchanged(t *target, live client.Object) (bool, error) {
	a.mu.Lock()
	last := a.applied[live.GetUID()]
	a.mu.Unlock()
	if last.hash == t.hash {
		if last.resourceVersion == live.GetResourceVersion() {
			return true, nil
		}
		if last.generation != 0 && last.generation == live.GetGeneration() {
			// Only the status changed, which is frequent, or the metadata.
			return t.metadataWithin(live)
		}
	}
	// The compared fields include the hash, which shows fields that are no longer
	// desired; the others show what was edited since.
	same, err := t.within(live)
	if same {
		a.note(live.GetUID(), appliedState{live.GetResourceVersion(), t.hash, live.GetGeneration()})
	}
	return same, err
}

// remember records the state after an apply; t.config has the metadata of the API
// server's answer.
func (a *Applier) remember(t *target) {
	if !t.cached() || t.meta.UID == nil || t.meta.ResourceVersion == nil {
		return
	}
	a.note(*t.meta.UID, appliedState{*t.meta.ResourceVersion, t.hash, ptr.Deref(t.meta.Generation, 0)})
}

// note records the state of an object that is as desired.
func (a *Applier) note(uid types.UID, s appliedState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.applied == nil {
		a.applied = map[types.UID]appliedState{}
	}
	a.applied[uid] = s
}

// ForgetDeleted is for the watches of applied kinds: it passes every event, and
// forgets deleted objects.
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
