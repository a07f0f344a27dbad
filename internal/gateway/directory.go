package gateway

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/precedence"
)

// person is a DevServerUser: whose keys open all boxes of an owner.
type person struct {
	*devserverv1.DevServerUser
	keys keySet
}

// directory knows which key opens which box. Watches fill it, so that a login
// asks no one.
type directory struct {
	// revoked is called, without the lock, with the boxes that a key opens no
	// longer, or that are gone.
	revoked func([]types.NamespacedName)

	mu       sync.RWMutex
	boxes    map[types.NamespacedName]box
	owned    map[string]map[types.NamespacedName]bool // boxes, by their owner
	byKey    map[fingerprint]map[types.NamespacedName]bool
	people   map[string]person               // by the name of the DevServerUser
	peopleOf map[string]map[string]bool      // names of people, by their owner
	keyring  map[fingerprint]map[string]bool // names of people, by their keys
	waiting  map[types.NamespacedName]map[chan struct{}]bool
}

func newDirectory() *directory {
	return &directory{
		revoked:  func([]types.NamespacedName) {},
		boxes:    map[types.NamespacedName]box{},
		owned:    map[string]map[types.NamespacedName]bool{},
		byKey:    map[fingerprint]map[types.NamespacedName]bool{},
		people:   map[string]person{},
		peopleOf: map[string]map[string]bool{},
		keyring:  map[fingerprint]map[string]bool{},
		waiting:  map[types.NamespacedName]map[chan struct{}]bool{},
	}
}

// link notes that there is a value under a key, unlink that there is none.
func link[K, V comparable](index map[K]map[V]bool, key K, value V) {
	if index[key] == nil {
		index[key] = map[V]bool{}
	}
	index[key][value] = true
}

func unlink[K, V comparable](index map[K]map[V]bool, key K, value V) {
	delete(index[key], value)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}

// put adds a box or replaces it.
func (d *directory) put(ds *devserverv1.DevServer) {
	b := boxOf(ds)
	d.mu.Lock()
	gone := false
	if was, ok := d.boxes[b.name()]; ok && (was.UID != b.UID || was.Spec.Owner != b.Spec.Owner) {
		// Made anew while the watch was interrupted: another box.
		d.forget(was)
		gone = true
	}
	lost := d.set(b) || gone
	d.notify(b.name())
	d.mu.Unlock()
	if lost {
		d.revoked([]types.NamespacedName{b.name()})
	}
}

// remove forgets the box of that name.
func (d *directory) remove(name types.NamespacedName) {
	d.mu.Lock()
	was, ok := d.boxes[name]
	if ok {
		d.forget(was)
		d.notify(name)
	}
	d.mu.Unlock()
	if ok {
		d.revoked([]types.NamespacedName{name})
	}
}

// set stores b with the keys that open it now, and tells whether one is lost.
func (d *directory) set(b box) (lost bool) {
	name, was := b.name(), d.boxes[b.name()].keys
	b.keys = maps.Clone(b.own)
	if owner, ok := d.personOf(b.Spec.Owner); ok {
		maps.Copy(b.keys, owner.keys)
	}
	for key := range was {
		if !b.keys[key] {
			unlink(d.byKey, key, name)
			lost = true
		}
	}
	for key := range b.keys {
		link(d.byKey, key, name)
	}
	d.boxes[name] = b
	link(d.owned, b.Spec.Owner, name)
	return lost
}

func (d *directory) forget(b box) {
	for key := range b.keys {
		unlink(d.byKey, key, b.name())
	}
	unlink(d.owned, b.Spec.Owner, b.name())
	delete(d.boxes, b.name())
}

// personOf finds the DevServerUser that counts for an owner, as the operator
// does: the oldest that is not being deleted.
func (d *directory) personOf(owner string) (found person, ok bool) {
	for name := range d.peopleOf[owner] {
		if p := d.people[name]; p.DeletionTimestamp.IsZero() && (!ok || precedence.Compare(p, found) < 0) {
			found, ok = p, true
		}
	}
	return found, ok
}

// putPerson adds a DevServerUser or replaces it.
func (d *directory) putPerson(u *devserverv1.DevServerUser) {
	d.replacePerson(u.Name, &person{DevServerUser: u, keys: keysOf(u.Spec.PublicKeys...)})
}

// removePerson forgets the DevServerUser of that name.
func (d *directory) removePerson(name string) { d.replacePerson(name, nil) }

func (d *directory) replacePerson(name string, p *person) {
	d.mu.Lock()
	owners := map[string]bool{}
	if was, ok := d.people[name]; ok {
		owners[was.Spec.Owner] = true
		for key := range was.keys {
			unlink(d.keyring, key, name)
		}
		unlink(d.peopleOf, was.Spec.Owner, name)
		delete(d.people, name)
	}
	if p != nil {
		owners[p.Spec.Owner] = true
		d.people[name] = *p
		link(d.peopleOf, p.Spec.Owner, name)
		for key := range p.keys {
			link(d.keyring, key, name)
		}
	}
	var lost []types.NamespacedName
	for owner := range owners {
		for name := range d.owned[owner] {
			if d.set(d.boxes[name]) {
				lost = append(lost, name)
			}
		}
	}
	d.mu.Unlock()
	// Also without boxes: who is logged in may be nobody any more.
	d.revoked(lost)
}

// knows tells whether who opens any box, or is somebody without one.
func (d *directory) knows(who identity) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(who.owners) > 0 || len(d.byKey[who.key]) > 0 || len(d.ownersOf(who)) > 0
}

// ownersOf are the owners that who is, for sure.
func (d *directory) ownersOf(who identity) []string {
	owners := slices.Clone(who.owners)
	for name := range d.keyring[who.key] {
		p := d.people[name]
		if counts, ok := d.personOf(p.Spec.Owner); ok && counts.Name == name {
			owners = append(owners, p.Spec.Owner)
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}

// owners are the owners that who is, for sure: a key in a DevServer may be a
// teammate's.
func (d *directory) owners(who identity) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.ownersOf(who)
}

// find returns the box of that name if who opens it. A box that they do not
// open and one that does not exist are the same to the caller.
func (d *directory) find(who identity, name types.NamespacedName) (box, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	b, ok := d.boxes[name]
	if !ok || !who.opens(b) {
		return box{}, false
	}
	return b, true
}

// list returns the boxes that who opens, sorted by namespace and name.
func (d *directory) list(who identity) []box {
	d.mu.RLock()
	defer d.mu.RUnlock()
	names := maps.Clone(d.byKey[who.key])
	for _, owner := range who.owners {
		if names == nil {
			names = map[types.NamespacedName]bool{}
		}
		maps.Copy(names, d.owned[owner])
	}
	boxes := make([]box, 0, len(names))
	for name := range names {
		boxes = append(boxes, d.boxes[name])
	}
	slices.SortFunc(boxes, func(a, b box) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return boxes
}

// follow returns a channel that has a value when there may be something new
// about the box of that name, until stop is called.
func (d *directory) follow(name types.NamespacedName) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	link(d.waiting, name, c)
	return c, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		unlink(d.waiting, name, c)
	}
}

func (d *directory) notify(name types.NamespacedName) {
	for c := range d.waiting[name] {
		select {
		case c <- struct{}{}:
		default: // it has one already
		}
	}
}
