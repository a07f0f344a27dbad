package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// SecretType is the type of the Secret with a DevServer's keys.
const SecretType corev1.SecretType = "devserver.io/ssh"

// Secret holds the host key, the keys that may log in and the control
// endpoint's credentials. The server has it at agentapi.SSHDir. Everything in
// it is derived from the operator's master secret for this namespace, name and
// owner, so it reveals nothing of another server.
func Secret(in Input) *corev1ac.SecretApplyConfiguration {
	d := in.DevServer
	return corev1ac.Secret(objects.SecretName(d.Name), d.Namespace).
		WithLabels(objects.Labels(d.Name)).
		WithAnnotations(ownerAnnotation(d)).
		WithOwnerReferences(objects.ControlledBy("DevServer", d)).
		WithType(SecretType).
		WithData(secretData(in))
}

func secretData(in Input) map[string][]byte {
	return map[string][]byte{
		agentapi.HostKeyFile:        in.Keys.HostKeyPEM,
		agentapi.AuthorizedKeysFile: AuthorizedKeys(in),
		agentapi.ControlKeyFile:     in.Keys.ControlKeyPEM,
		agentapi.ControlTokenFile:   []byte(in.Keys.ControlToken),
	}
}

// AuthorizedKeys is the file of the keys that may log in.
func AuthorizedKeys(in Input) []byte {
	return []byte(strings.Join(in.AuthorizedKeys, "\n") + "\n")
}

// SecretFilesHash is what the agent reports of an unedited Secret.
func SecretFilesHash(in Input) string { return agentapi.FilesHash(secretData(in)) }

// SecretHash identifies the content of the Secret.
func SecretHash(in Input) string {
	sum := sha256.Sum256([]byte(string(in.DevServer.UID) + SecretFilesHash(in)))
	return hex.EncodeToString(sum[:16])
}
