package devserver

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/sshkeys"
)

// keyring keeps the keys of boxes: each pass asks for them, and to derive them is
// much of what one costs that changes nothing.
type keyring struct {
	mu    sync.Mutex
	boxes map[types.NamespacedName]ownedKeys
}

// ownedKeys are those of a box while it has this owner.
type ownedKeys struct {
	owner string
	keys  sshkeys.Keys
}

func (k *keyring) of(d *devv1.DevServer, master []byte) (sshkeys.Keys, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := client.ObjectKeyFromObject(d)
	if known, is := k.boxes[name]; is && known.owner == d.Spec.Owner {
		return known.keys, nil
	}
	keys, err := sshkeys.Derive(master, d.Namespace, d.Name, d.Spec.Owner)
	if err != nil {
		return sshkeys.Keys{}, fmt.Errorf("deriving the keys of DevServer %s: %w", name, err)
	}
	if k.boxes == nil {
		k.boxes = map[types.NamespacedName]ownedKeys{}
	}
	k.boxes[name] = ownedKeys{d.Spec.Owner, keys}
	return keys, nil
}

func (k *keyring) forget(box types.NamespacedName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.boxes, box)
}
