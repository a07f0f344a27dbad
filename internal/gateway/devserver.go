package gateway

import (
	"net"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/serverstate"
	"devserver.io/devserver/internal/sshkeys"
)

// fingerprint is the SHA-256 fingerprint of a public key. It stands for the key
// everywhere in the gateway.
type fingerprint string

// keySet is a set of keys, by their fingerprints.
type keySet map[fingerprint]bool

// keysOf reads authorized keys. A key that cannot be read opens nothing; the
// operator reports it in a condition of the object that has it.
func keysOf(lines ...string) keySet {
	keys := keySet{}
	for _, line := range lines {
		if key, _, err := sshkeys.ParseAuthorized(line); err == nil {
			keys[fingerprint(sshkeys.Fingerprint(key))] = true
		}
	}
	return keys
}

// devServer is a DevServer in the directory: without the fields that the gateway
// does not read, and never modified.
type devServer struct {
	*devserverv1.DevServer
	own  keySet // the keys in its spec
	keys keySet // those, and its owner's
}

func devServerOf(ds *devserverv1.DevServer) devServer {
	return devServer{DevServer: ds, own: keysOf(append([]string{ds.Spec.SSH.PublicKey}, ds.Spec.SSH.PublicKeys...)...)}
}

func (d devServer) name() types.NamespacedName {
	return types.NamespacedName{Namespace: d.Namespace, Name: d.Name}
}

// address is the name that users type, NAME.NAMESPACE.
func (d devServer) address() string { return address(d.name()) }

func address(name types.NamespacedName) string { return name.Name + "." + name.Namespace }

// isRunning tells whether the gateway can connect to the server now.
func (d devServer) isRunning() bool {
	return d.Status.Phase == devserverv1.PhaseRunning && d.Status.PodIP != "" && d.DeletionTimestamp.IsZero()
}

// sshAddress is where the server's SSH server listens.
func (d devServer) sshAddress() string {
	return net.JoinHostPort(d.Status.PodIP, strconv.Itoa(agentapi.SSHPort))
}

// phase is the phase, or a word for a server that has none.
func (d devServer) phase() string {
	switch {
	case !d.DeletionTimestamp.IsZero():
		return string(devserverv1.PhaseTerminating)
	case d.Status.Phase == "":
		return "New"
	}
	return string(d.Status.Phase)
}

// cause is why the server does not run; empty if it does, or if nothing is known.
func (d devServer) cause() string {
	if c := serverstate.Ready(d.DevServer); c != nil && c.Status != metav1.ConditionTrue {
		return c.Message
	}
	if d.Status.Phase == "" {
		return "the operator has not looked at it yet"
	}
	return ""
}

// strip removes the fields of ds that the gateway does not read. The gateway has
// all DevServers of the cluster in memory.
func strip(ds *devserverv1.DevServer) {
	ds.ManagedFields, ds.Labels, ds.Annotations, ds.OwnerReferences = nil, nil, nil, nil
	kept, all := &devserverv1.DevServerSpec{}, ds.Spec
	kept.Owner, kept.Flavor, kept.Suspend, kept.Home = all.Owner, all.Flavor, all.Suspend, all.Home
	kept.SSH.PublicKey, kept.SSH.PublicKeys = all.SSH.PublicKey, all.SSH.PublicKeys
	ds.Spec = *kept
}
