package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// TestUsersCannotReachSecrets: users can read neither the keys nor the token that
// authorises the operator, cannot stop the SSH server, and cannot ask the spawner for a
// process. That holds for every file and process that they can see.
func TestUsersCannotReachSecrets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	secret := &corev1.Secret{ObjectMeta: s.named(objects.SecretName(b.ds.Name))}
	s.get(secret)
	token := strings.TrimSpace(string(secret.Data[agentapi.ControlTokenFile]))
	// The key's second line is long enough to be found, and in no other key.
	hostKey := strings.Split(string(secret.Data[agentapi.HostKeyFile]), "\n")[2]
	if len(token) < 16 || len(hostKey) < 16 {
		s.Fatalf("the Secret has a token of %d bytes and a key with a line of %d", len(token), len(hostKey))
	}
	everything := "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; " +
		"find / -xdev -type f -size -2000k -print0 2>/dev/null | xargs -0 cat 2>/dev/null; " +
		"find /run /etc /opt /tmp /dev/shm /home -type f -size -2000k -print0 2>/dev/null | xargs -0 cat 2>/dev/null"
	// In halves, because the search finds its own command line too.
	patterns := fmt.Sprintf(`<(printf '%%s%%s\n' %s %s %s %s)`, token[:8], token[8:], hostKey[:8], hostKey[8:])
	search := "{ " + everything + "; } | grep -aFc -f " + patterns + "; true"
	b.want(search, "0")
	b.sh("echo " + token + " > ~/planted")
	b.want(search, "1")
	b.want("ls -d "+agentapi.SSHDir+" 2>&1 | grep -c 'No such file'", "1")
	before := agentProcess(s, b.podUID(), "serve")
	b.try("kill -9 -1")
	if after := agentProcess(s, b.podUID(), "serve"); after != before {
		s.Error("a user has stopped the SSH server")
	}
	b.want("python3 -c '"+askSpawner+"'", "refused")
	for _, c := range b.readPod().Spec.Containers {
		mounts := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == agentapi.SSHDir })
		if mounts != (c.Name == objects.SSHContainer) {
			s.Errorf("container %s mounts the Secret: %t", c.Name, mounts)
		}
	}
}

// askSpawner asks the spawner for a process, as a user other than that of the SSH server.
const askSpawner = `
import socket, struct
s = socket.socket(socket.AF_UNIX)
s.connect("` + agentapi.RunDir + "/" + agentapi.SpawnerSocket + `")
m = b"{\"probe\":{}}"
try:
    s.sendall(struct.pack(">I", len(m)) + m)
    print(s.recv(100) or "refused")
except OSError:
    print("refused")
`
