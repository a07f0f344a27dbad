package gateway

import (
	"net"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	contract "devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/serverstate"
	"devserver.io/devserver/internal/sshkeys"
)

// fingerprint is the SHA-256 fingerprint of a public key. It stands for the
// key everywhere in the gateway.
type fingerprint string

// keySet are keys by their fingerprints.
type keySet map[fingerprint]bool

// keysOf reads authorized keys. One that cannot be read opens nothing; the
// operator says so in a condition of the object that has it.
func keysOf(lines ...string) keySet {
	keys := keySet{}
	for _, line := range lines {
		if key, _, err := sshkeys.ParseAuthorized(line); err == nil {
			keys[fingerprint(sshkeys.Fingerprint(key))] = true
		}
	}
	return keys
}

// box is a DevServer as the gateway knows it: stripped, and not to be changed.
type box struct {
	*devserverv1.DevServer
	own  keySet // the keys in its spec
	keys keySet // those, and those of its owner
}

func boxOf(ds *devserverv1.DevServer) box {
	return box{DevServer: ds, own: keysOf(append([]string{ds.Spec.SSH.PublicKey}, ds.Spec.SSH.PublicKeys...)...)}
}

func (b box) name() types.NamespacedName {
	return types.NamespacedName{Namespace: b.Namespace, Name: b.Name}
}

// address is the box's name as users type it.
func (b box) address() string { return address(b.name()) }

func address(name types.NamespacedName) string { return name.Name + "." + name.Namespace }

// isRunning tells whether it can be dialled now.
func (b box) isRunning() bool {
	return b.Status.Phase == devserverv1.PhaseRunning && b.Status.PodIP != "" && b.DeletionTimestamp.IsZero()
}

// sshAddress is where the box's SSH server listens.
func (b box) sshAddress() string {
	return net.JoinHostPort(b.Status.PodIP, strconv.Itoa(contract.SSHPort))
}

// phase is a word for how the box is.
func (b box) phase() string {
	switch {
	case !b.DeletionTimestamp.IsZero():
		return string(devserverv1.PhaseTerminating)
	case b.Status.Phase == "":
		return "New"
	}
	return string(b.Status.Phase)
}

// cause says why the box does not run, or nothing.
func (b box) cause() string {
	if c := serverstate.Ready(b.DevServer); c != nil && c.Status != metav1.ConditionTrue {
		return c.Message
	}
	if b.Status.Phase == "" {
		return "the operator has not looked at it yet"
	}
	return ""
}

// strip leaves of ds what the gateway looks at. It has all the boxes of the
// cluster in memory.
func strip(ds *devserverv1.DevServer) {
	ds.ManagedFields, ds.Labels, ds.Annotations, ds.OwnerReferences = nil, nil, nil, nil
	spec, was := &devserverv1.DevServerSpec{}, ds.Spec
	spec.Owner, spec.Flavor, spec.Suspend = was.Owner, was.Flavor, was.Suspend
	spec.SSH.PublicKey, spec.SSH.PublicKeys = was.SSH.PublicKey, was.SSH.PublicKeys
	ds.Spec = *spec
}
