package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/openssh"
)

// newKey creates another key pair.
func (s *site) newKey(name, keyType string) openssh.Key {
	s.Helper()
	key, err := openssh.NewKey(s.Context(), s.TempDir(), name, keyType)
	if err != nil {
		s.Fatal(err)
	}
	return key
}

// TestKeyTypes: every type of key that stock OpenSSH generates can log in, if the
// DevServer lists it. Other keys cannot.
func TestKeyTypes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("server")
	keys := map[string]openssh.Key{}
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		keys[kind] = s.newKey(kind, kind)
		ds.Spec.SSH.PublicKeys = append(ds.Spec.SSH.PublicKeys, keys[kind].Public)
	}
	ds.Spec.SSH.PublicKeys = append(ds.Spec.SSH.PublicKeys, s.newKey("ecdsa-521", "ecdsa").Public)
	b := s.start(ds)
	for kind, key := range keys {
		s.login(b.ds, key).want("echo "+kind, kind)
	}
	stranger := s.login(b.ds, s.newKey("stranger", "ed25519"))
	if r := stranger.try("true"); r.Code != 255 {
		s.Errorf("a stranger's key: %+v", r)
	}
	if r := b.try("true", "-l", "root"); r.Code != 255 {
		s.Errorf("login as root: %+v", r)
	}
	// The client refuses to connect if it does not know the host key.
	if r := b.try("true", "-o", "HostKeyAlias=other."+s.ns); r.Code != 255 {
		s.Errorf("an unknown host key: %+v", r)
	}
}

// TestKeyChange: a change of the key takes effect without a restart.
func TestKeyChange(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	before := b.readPod()
	second := s.newKey("second", "ed25519")
	other := s.login(b.ds, second)
	if r := other.try("true"); r.Code != 255 {
		s.Fatalf("a key that is not authorised yet: %+v", r)
	}
	edit(s, b.ds, func(d *v1.DevServer) { d.Spec.SSH.PublicKey = second.Public })
	s.eventually("the new key can log in", func() bool { return other.try("true").Code == 0 })
	s.eventually("the old key cannot log in", func() bool { return b.try("true").Code == 255 })
	after := b.readPod()
	restarted := func(c corev1.ContainerStatus) bool { return c.RestartCount != 0 }
	if after.UID != before.UID || slices.ContainsFunc(after.Status.ContainerStatuses, restarted) {
		s.Error("the change of keys restarted the server")
	}
	other.want("whoami", "dev")
}

// TestCorruptKey: a key that looks valid but cannot be parsed is reported in the
// condition, and no objects are created until it is corrected.
func TestCorruptKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("server")
	ds.Spec.SSH.PublicKey = corruptRSA()
	s.create(ds)
	ds = s.notReady(ds, v1.PhasePending, v1.ReasonInvalidKey, "publicKey")
	s.noChildren()
	edit(s, ds, func(d *v1.DevServer) { d.Spec.SSH.PublicKey = s.key.Public })
	s.running(ds).want("whoami", "dev")
}

// corruptRSA returns an RSA key whose second number claims to be longer than the
// rest of the key.
func corruptRSA() string {
	var body []byte
	for _, part := range []string{"ssh-rsa", "\x01\x00\x01"} {
		body = binary.BigEndian.AppendUint32(body, uint32(len(part)))
		body = append(body, part...)
	}
	body = binary.BigEndian.AppendUint32(body, 1<<20)
	body = append(body, make([]byte, 300)...)
	return "ssh-rsa " + base64.StdEncoding.EncodeToString(body) + " corrupt@example.com"
}

// TestLostSecret: a server whose Secret was deleted keeps running, and restarts with
// the same host key, because the operator derives the keys again.
func TestLostSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	secret := &corev1.Secret{ObjectMeta: s.named("server-ssh")}
	b.get(secret)
	want := secret.DeepCopy()
	s.delete(secret)
	b.want("whoami", "dev")
	pod := b.podUID()
	b.delete(b.pod())
	b.restarted(pod).want("whoami", "dev")
	await(s, secret, "restored", func(now *corev1.Secret) bool { return now.UID != want.UID && sameData(now, want) })
}

func sameData(a, b *corev1.Secret) bool {
	for key, value := range b.Data {
		if !bytes.Equal(a.Data[key], value) {
			return false
		}
	}
	return len(a.Data) == len(b.Data)
}
