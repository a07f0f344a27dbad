package gateway

import (
	"cmp"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/sshkeys"
)

// fingerprint is the SHA-256 fingerprint of a public key. It stands for the
// key, and so for the person behind it, everywhere in the gateway.
type fingerprint string

// box is what the gateway knows about a DevServer.
type box struct {
	types.NamespacedName
	phase   devserverv1.DevServerPhase
	message string // of the Ready condition
	podIP   string
	keys    map[fingerprint]bool
}

// address is the box's name as users type it.
func (b box) address() string { return address(b.NamespacedName) }

func address(name types.NamespacedName) string { return name.Name + "." + name.Namespace }

// boxOf reads what the gateway needs from ds. A key that cannot be read opens
// nothing; the operator says so in the DevServer's Ready condition.
func boxOf(ds *devserverv1.DevServer) box {
	b := box{
		NamespacedName: types.NamespacedName{Namespace: ds.Namespace, Name: ds.Name},
		phase:          ds.Status.Phase,
		podIP:          ds.Status.PodIP,
		keys:           map[fingerprint]bool{},
	}
	if ready := meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionReady); ready != nil {
		b.message = ready.Message
	}
	for _, line := range append([]string{ds.Spec.SSH.PublicKey}, ds.Spec.SSH.PublicKeys...) {
		if key, _, err := sshkeys.ParseAuthorized(line); err == nil {
			b.keys[fingerprint(sshkeys.Fingerprint(key))] = true
		}
	}
	return b
}

// directory knows which key opens which box. It is filled by a watch, so that
// a login asks no one.
type directory struct {
	// revoked is called, without the lock, for each key that no longer opens
	// a box that it opened before.
	revoked func(fingerprint, types.NamespacedName)

	mu    sync.RWMutex
	boxes map[types.NamespacedName]box
	byKey map[fingerprint]map[types.NamespacedName]bool
}

func newDirectory() *directory {
	return &directory{
		revoked: func(fingerprint, types.NamespacedName) {},
		boxes:   map[types.NamespacedName]box{},
		byKey:   map[fingerprint]map[types.NamespacedName]bool{},
	}
}

// put adds b or replaces it.
func (d *directory) put(b box) { d.replace(b.NamespacedName, &b) }

// remove forgets the box of that name.
func (d *directory) remove(name types.NamespacedName) { d.replace(name, nil) }

func (d *directory) replace(name types.NamespacedName, b *box) {
	var lost []fingerprint
	d.mu.Lock()
	for key := range d.boxes[name].keys {
		if b == nil || !b.keys[key] {
			lost = append(lost, key)
			d.unlink(key, name)
		}
	}
	if b == nil {
		delete(d.boxes, name)
	} else {
		d.boxes[name] = *b
		for key := range b.keys {
			if d.byKey[key] == nil {
				d.byKey[key] = map[types.NamespacedName]bool{}
			}
			d.byKey[key][name] = true
		}
	}
	d.mu.Unlock()
	for _, key := range lost {
		d.revoked(key, name)
	}
}

func (d *directory) unlink(key fingerprint, name types.NamespacedName) {
	delete(d.byKey[key], name)
	if len(d.byKey[key]) == 0 {
		delete(d.byKey, key)
	}
}

// knows reports whether key opens any box.
func (d *directory) knows(key fingerprint) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.byKey[key]) > 0
}

// find returns the box of that name if key opens it. A box that it does not
// open and one that does not exist are the same to the caller.
func (d *directory) find(key fingerprint, name types.NamespacedName) (box, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	b, ok := d.boxes[name]
	if !ok || !b.keys[key] {
		return box{}, false
	}
	return b, true
}

// list returns the boxes that key opens, sorted by namespace and name.
func (d *directory) list(key fingerprint) []box {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var boxes []box
	for name := range d.byKey[key] {
		boxes = append(boxes, d.boxes[name])
	}
	slices.SortFunc(boxes, func(a, b box) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return boxes
}
