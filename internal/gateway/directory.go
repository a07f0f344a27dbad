package gateway

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/precedence"
)

// user is a DevServerUser, whose keys open all servers of its owner.
type user struct {
	*devserverv1.DevServerUser
	keys keySet
}

// directory knows which key opens which server. Watches fill it, so that a login
// sends no request to the API server.
type directory struct {
	// revoked is called, without the lock, with the servers that a key no longer
	// opens, or that were deleted.
	revoked func([]types.NamespacedName)

	mu      sync.RWMutex
	servers map[types.NamespacedName]devServer
	byKey   map[fingerprint]map[types.NamespacedName]bool // servers, by the keys that open them
	users   map[string]user                               // by the name of the DevServerUser
	waiting map[types.NamespacedName]map[chan struct{}]bool
}

func newDirectory() *directory {
	return &directory{
		revoked: func([]types.NamespacedName) {},
		servers: map[types.NamespacedName]devServer{},
		byKey:   map[fingerprint]map[types.NamespacedName]bool{},
		users:   map[string]user{},
		waiting: map[types.NamespacedName]map[chan struct{}]bool{},
	}
}

// link adds a value under a key, and unlink removes it.
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

// put adds a DevServer or replaces it.
func (d *directory) put(object *devserverv1.DevServer) {
	ds := devServerOf(object)
	d.mu.Lock()
	replaced := false
	if before, ok := d.servers[ds.name()]; ok && (before.UID != ds.UID || before.Spec.Owner != ds.Spec.Owner) {
		// Deleted and created again while the watch was interrupted.
		d.forget(before)
		replaced = true
	}
	lost := d.set(ds) || replaced
	d.notify(ds.name())
	d.mu.Unlock()
	if lost {
		d.revoked([]types.NamespacedName{ds.name()})
	}
}

// remove removes the DevServer of that name.
func (d *directory) remove(name types.NamespacedName) {
	d.mu.Lock()
	before, ok := d.servers[name]
	if ok {
		d.forget(before)
		d.notify(name)
	}
	d.mu.Unlock()
	if ok {
		d.revoked([]types.NamespacedName{name})
	}
}

// set stores a DevServer with the keys that open it now, and tells whether one of
// the keys before was lost.
func (d *directory) set(ds devServer) (lost bool) {
	name, before := ds.name(), d.servers[ds.name()].keys
	ds.keys = maps.Clone(ds.own)
	if owner, ok := d.userOf(ds.Spec.Owner); ok {
		maps.Copy(ds.keys, owner.keys)
	}
	for key := range before {
		if !ds.keys[key] {
			unlink(d.byKey, key, name)
			lost = true
		}
	}
	for key := range ds.keys {
		link(d.byKey, key, name)
	}
	d.servers[name] = ds
	return lost
}

func (d *directory) forget(ds devServer) {
	for key := range ds.keys {
		unlink(d.byKey, key, ds.name())
	}
	delete(d.servers, ds.name())
}

// userOf is the DevServerUser that counts for an owner: the oldest that is not
// being deleted, as for the operator.
func (d *directory) userOf(owner string) (found user, ok bool) {
	for _, u := range d.users {
		if u.Spec.Owner == owner && u.DeletionTimestamp.IsZero() && (!ok || precedence.Compare(u, found) < 0) {
			found, ok = u, true
		}
	}
	return found, ok
}

// putUser adds a DevServerUser or replaces it.
func (d *directory) putUser(u *devserverv1.DevServerUser) {
	d.replaceUser(u.Name, &user{DevServerUser: u, keys: keysOf(u.Spec.PublicKeys...)})
}

// removeUser removes the DevServerUser of that name.
func (d *directory) removeUser(name string) { d.replaceUser(name, nil) }

// replaceUser replaces a DevServerUser; nil removes it.
func (d *directory) replaceUser(name string, u *user) {
	d.mu.Lock()
	owners := map[string]bool{}
	if before, ok := d.users[name]; ok {
		owners[before.Spec.Owner] = true
		delete(d.users, name)
	}
	if u != nil {
		owners[u.Spec.Owner] = true
		d.users[name] = *u
	}
	var lost []types.NamespacedName
	for name, ds := range d.servers {
		if owners[ds.Spec.Owner] && d.set(ds) {
			lost = append(lost, name)
		}
	}
	d.mu.Unlock()
	// Also if no server lost a key: a user without servers may be logged in.
	d.revoked(lost)
}

// knows tells whether a client opens any server, or is a known user.
func (d *directory) knows(who identity) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(who.owners) > 0 || len(d.byKey[who.key]) > 0 || len(d.ownersOf(who)) > 0
}

// ownersOf is owners, with the lock held.
func (d *directory) ownersOf(who identity) []string {
	owners := slices.Clone(who.owners)
	for name, u := range d.users {
		if !u.keys[who.key] {
			continue
		}
		if counts, ok := d.userOf(u.Spec.Owner); ok && counts.Name == name {
			owners = append(owners, u.Spec.Owner)
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}

// owners are the owners that a client has proven to be. A key in a DevServer does
// not prove that: it may be a teammate's.
func (d *directory) owners(who identity) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.ownersOf(who)
}

// account returns the user to whom the connections of a client count. Everyone can put
// keys into their own DevServers, so the keys that open only servers of the same owners
// count as one user.
func (d *directory) account(who identity) string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	owners := d.ownersOf(who)
	if len(owners) == 0 {
		for name := range d.byKey[who.key] {
			owners = append(owners, cmp.Or(d.servers[name].Spec.Owner, "namespace "+name.Namespace))
		}
		slices.Sort(owners)
	}
	return strings.Join(slices.Compact(owners), ",")
}

// find returns the DevServer of that name if the client opens it. The caller cannot
// tell one that the client does not open from one that does not exist.
func (d *directory) find(who identity, name types.NamespacedName) (devServer, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	ds, ok := d.servers[name]
	if !ok || !who.opens(ds) {
		return devServer{}, false
	}
	return ds, true
}

// list returns the DevServers that the client opens, sorted by namespace and name.
func (d *directory) list(who identity) []devServer {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var all []devServer
	for _, ds := range d.servers {
		if who.opens(ds) {
			all = append(all, ds)
		}
	}
	slices.SortFunc(all, func(a, b devServer) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// follow returns a channel that has a value whenever the DevServer of that name may
// have changed, until stop is called.
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
		default: // It has a value already.
		}
	}
}
