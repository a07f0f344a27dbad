package reach

import (
	"fmt"
	"net/netip"
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation"

	devserverv1 "devserver.io/devserver/api/v1"
)

// hostName matches what can stand for a host in the configuration of ssh and on its
// command line: no blank or line break, which would begin another option, and no hyphen
// at the beginning.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$`)

// check returns an error for a DevServer with a name or an address that could change the
// meaning of ssh's configuration, of a known_hosts file or of a command line. The API
// server accepts no such names. This program does not depend on that.
func check(ds *devserverv1.DevServer) error {
	for _, label := range []string{ds.Name, ds.Namespace} {
		if len(validation.IsDNS1123Label(label)) > 0 {
			return fmt.Errorf("%q is not a name for ssh's configuration", label)
		}
	}
	if ds.Status.SSH == nil {
		return nil
	}
	hosts := []string{ds.Status.SSH.Host}
	if g := ds.Status.SSH.Gateway; g != nil {
		hosts = append(hosts, g.Host)
	}
	for _, host := range hosts {
		if host != "" && !isHost(host) {
			return fmt.Errorf("the address %q in its status is not the name of a host", host)
		}
	}
	return nil
}

// isHost tells whether host is a name or an IP address without a zone.
func isHost(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Zone() == ""
	}
	return hostName.MatchString(host)
}
