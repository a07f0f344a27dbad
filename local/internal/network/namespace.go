package network

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// nsfsMagic is the file system type of an entered namespace file (NSFS_MAGIC).
const nsfsMagic = 0x6e736673

// entered reports whether the file is a namespace. After its mount has ended it is a
// plain file.
func entered(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == nsfsMagic
}

// Settings sets the kernel settings of the node's network namespace. It must run in a
// thread inside that namespace. Those of the host do not change.
func Settings() error {
	for path, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward": "1",
		// Every pod has its own interface on the node, all with the same address on the node's side.
		"/proc/sys/net/ipv4/conf/all/rp_filter":     "0",
		"/proc/sys/net/ipv4/conf/default/rp_filter": "0",
		// Hundreds of servers exceed the default of 1024 neighbours.
		"/proc/sys/net/ipv4/neigh/default/gc_thresh3": "8192",
	} {
		err := os.WriteFile(path, []byte(value), 0)
		if os.IsNotExist(err) {
			// Some settings exist only in the machine's initial namespace.
			continue
		}
		if err != nil {
			return fmt.Errorf("set %s to %s: %w", path, value, err)
		}
	}
	return nil
}
