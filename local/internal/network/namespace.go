package network

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// nsfsMagic is the file system type of an entered namespace file (NSFS_MAGIC).
const nsfsMagic = 0x6e736673

// entered says whether the file is a namespace, in contrast to the plain file that
// a namespace's mount leaves when it is gone.
func entered(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == nsfsMagic
}

// Settings are the kernel settings of the node's network namespace; the host's stay as they are.
// It must run in a thread that is inside that namespace.
func Settings() error {
	for path, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward": "1",
		// Every pod has an interface of its own on the node, with the same address on the node's side.
		"/proc/sys/net/ipv4/conf/all/rp_filter":     "0",
		"/proc/sys/net/ipv4/conf/default/rp_filter": "0",
		// Boxes by the hundred overrun the default of 1024 neighbours.
		"/proc/sys/net/ipv4/neigh/default/gc_thresh3": "8192",
	} {
		err := os.WriteFile(path, []byte(value), 0)
		if os.IsNotExist(err) {
			// Some settings exist in the machine's first namespace only.
			continue
		}
		if err != nil {
			return fmt.Errorf("set %s to %s: %w", path, value, err)
		}
	}
	return nil
}
