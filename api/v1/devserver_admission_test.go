package v1_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/apiserver"
)

const (
	ed25519Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHtL3MyHIx6kif77m/WPFDRRgdItMGJNHtDC6+NEsmkp"
	ecdsaKey   = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBI5lZAnxAcIwXntLpfUxTVMWGBTzykDeWWpPf+Gjv5W8af+blk1PU7xNf1nl/+aeNJ8mocHwJ8RfnmMvpssIebg="
)

// The CEL rules check only the alphabet of a key's body.
var rsaKey = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB" + strings.Repeat("gQDu", 90)

const goodDevServer = `
apiVersion: devserver.io/v1
kind: DevServer
metadata:
  name: my-dev-server
spec:
  owner: user@example.com
  flavor: gpu-large
  ssh:
    publicKey: ` + ed25519Key + `
  persistentHomeSize: 100Gi
  sharedVolumeClaimName: efs-shared-claim
`

const (
	keyWords        = "publicKey must be one public key on one line, as in a .pub file: type, base64 and an optional comment, without options"
	keysWords       = "each of publicKeys must be one public key on one line"
	noKeyWords      = "ssh requires publicKey or publicKeys"
	sizeWords       = "persistentHomeSize must be a size from 1Mi to 1Pi, such as 100Gi"
	timeToLiveWords = "timeToLive must be a duration from 1m to 87600h, such as 72h or 1h30m"
	nameWords       = "metadata.name must be at most 50 lower-case letters, digits and '-'"
	ownerWords      = "owner must be printable ASCII characters without spaces"
	imageWords      = "image must be an image reference without spaces"
	pathWords       = "mountPath must be an absolute path without ':' and '..', such as /data"
	reservedWords   = "mountPath must not be a folder that the server itself needs"
	annotationWords = "annotations must have valid annotation keys outside of devserver.io, which is reserved"
)

func volume(mountPath string) []any {
	return []any{map[string]any{"claimName": "data", "mountPath": mountPath}}
}

func TestDevServerRefused(t *testing.T) {
	annotation := func(key string) map[string]any { return map[string]any{key: "x"} }
	create := try(t)
	for name, test := range map[string]struct {
		edit
		words string
	}{
		"two keys in one":          {edit{"spec.ssh.publicKey", ed25519Key + "\n" + ecdsaKey}, keyWords},
		"key with a line's end":    {edit{"spec.ssh.publicKey", ed25519Key + "\n"}, keyWords},
		"key with CRLF":            {edit{"spec.ssh.publicKey", ed25519Key + " me\r\n"}, keyWords},
		"key with CR":              {edit{"spec.ssh.publicKey", ed25519Key + " me\r"}, keyWords},
		"key with NUL":             {edit{"spec.ssh.publicKey", ed25519Key + " me\x00"}, keyWords},
		"key with options":         {edit{"spec.ssh.publicKey", `command="/bin/sh" ` + ed25519Key}, keyWords},
		"key with a bare option":   {edit{"spec.ssh.publicKey", "no-pty " + ed25519Key}, keyWords},
		"key with a space first":   {edit{"spec.ssh.publicKey", " " + ed25519Key}, keyWords},
		"key without its type":     {edit{"spec.ssh.publicKey", strings.Fields(ed25519Key)[1]}, keyWords},
		"DSA key":                  {edit{"spec.ssh.publicKey", "ssh-dss AAAAB3NzaC1kc3MAAACBAP"}, keyWords},
		"certificate":              {edit{"spec.ssh.publicKey", "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5"}, keyWords},
		"private key":              {edit{"spec.ssh.publicKey", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n"}, keyWords},
		"garbage":                  {edit{"spec.ssh.publicKey", "AAAA..."}, keyWords},
		"shortened key":            {edit{"spec.ssh.publicKey", "ssh-rsa AAAA..."}, keyWords},
		"empty key":                {edit{"spec.ssh.publicKey", ""}, keyWords},
		"bad second key":           {edit{"spec.ssh.publicKeys", []any{ecdsaKey, ed25519Key + "\n" + ecdsaKey}}, keysWords},
		"no key":                   {edit{"spec.ssh.publicKey", nil}, noKeyWords},
		"no key in the list":       {edit{"spec.ssh", map[string]any{"publicKeys": []any{}}}, noKeyWords},
		"no ssh":                   {edit{"spec.ssh", nil}, "spec.ssh: Required value"},
		"size in letters":          {edit{"spec.persistentHomeSize", "abc"}, sizeWords},
		"size of a bad exponent":   {edit{"spec.persistentHomeSize", "1e5.5"}, sizeWords},
		"size of a huge exponent":  {edit{"spec.persistentHomeSize", "1e1000000000"}, sizeWords},
		"size with a space":        {edit{"spec.persistentHomeSize", "100 Gi"}, sizeWords},
		"size in another unit":     {edit{"spec.persistentHomeSize", "100GB"}, sizeWords},
		"empty size":               {edit{"spec.persistentHomeSize", ""}, sizeWords},
		"negative size":            {edit{"spec.persistentHomeSize", "-1"}, sizeWords},
		"negative size in a unit":  {edit{"spec.persistentHomeSize", "-1Gi"}, sizeWords},
		"negative number":          {edit{"spec.persistentHomeSize", int64(-1)}, sizeWords},
		"size of zero":             {edit{"spec.persistentHomeSize", "0"}, sizeWords},
		"number zero":              {edit{"spec.persistentHomeSize", int64(0)}, sizeWords},
		"size without a unit":      {edit{"spec.persistentHomeSize", "100"}, sizeWords},
		"number without a unit":    {edit{"spec.persistentHomeSize", int64(100)}, sizeWords},
		"size of 2Pi":              {edit{"spec.persistentHomeSize", "2Pi"}, sizeWords},
		"empty timeToLive":         {edit{"spec.lifecycle.timeToLive", ""}, timeToLiveWords},
		"zero timeToLive":          {edit{"spec.lifecycle.timeToLive", "0"}, timeToLiveWords},
		"timeToLive of 0s":         {edit{"spec.lifecycle.timeToLive", "0s"}, timeToLiveWords},
		"negative timeToLive":      {edit{"spec.lifecycle.timeToLive", "-1h"}, timeToLiveWords},
		"timeToLive without unit":  {edit{"spec.lifecycle.timeToLive", "3600"}, timeToLiveWords},
		"timeToLive in days":       {edit{"spec.lifecycle.timeToLive", "3d"}, timeToLiveWords},
		"timeToLive never":         {edit{"spec.lifecycle.timeToLive", "never"}, timeToLiveWords},
		"timeToLive with a space":  {edit{"spec.lifecycle.timeToLive", "1 h"}, timeToLiveWords},
		"absurd timeToLive":        {edit{"spec.lifecycle.timeToLive", "87601h"}, timeToLiveWords},
		"overflowing timeToLive":   {edit{"spec.lifecycle.timeToLive", "9999999999h"}, timeToLiveWords},
		"short idleTimeout":        {edit{"spec.lifecycle.idleTimeout", "59s"}, "idleTimeout must be a duration from 1m to 87600h, such as 2h or 45m"},
		"empty idleTimeout":        {edit{"spec.lifecycle.idleTimeout", ""}, "idleTimeout must be a duration"},
		"zero deleteAfter":         {edit{"spec.lifecycle.deleteAfterSuspended", "0h"}, "deleteAfterSuspended must be a duration"},
		"unknown expiry":           {edit{"spec.lifecycle.onExpire", "Stop"}, "spec.lifecycle.onExpire: Unsupported value"},
		"empty schedule":           {edit{"spec.lifecycle.schedule", map[string]any{"timeZone": "UTC"}}, "schedule requires start or stop"},
		"zero GPU threshold":       {edit{"spec.lifecycle.activity.gpuPercent", int64(0)}, "should be greater than or equal to 1"},
		"GPU threshold of 102":     {edit{"spec.lifecycle.activity.gpuPercent", int64(102)}, "should be less than or equal to 101"},
		"no grace":                 {edit{"spec.lifecycle.terminationGracePeriodSeconds", int64(0)}, "should be greater than or equal to 5"},
		"name with a digit first":  {edit{"metadata.name", "1server"}, nameWords},
		"name of 51 characters":    {edit{"metadata.name", strings.Repeat("x", 51)}, nameWords},
		"name with a dot":          {edit{"metadata.name", "my.server"}, nameWords},
		"no owner":                 {edit{"spec.owner", nil}, "spec.owner: Required value"},
		"owner with a space":       {edit{"spec.owner", "two words"}, ownerWords},
		"owner of two lines":       {edit{"spec.owner", "user\nroot"}, ownerWords},
		"image with a space":       {edit{"spec.image", "debian :bookworm"}, imageWords},
		"annotation with a space":  {edit{"spec.ssh.service.annotations", annotation("not a key")}, annotationWords},
		"annotation with no name":  {edit{"spec.ssh.service.annotations", annotation("example.com/")}, annotationWords},
		"reserved annotation":      {edit{"spec.ssh.service.annotations", annotation("devserver.io/hash")}, annotationWords},
		"reserved subdomain":       {edit{"spec.ssh.service.annotations", annotation("apply.devserver.io/hash")}, annotationWords},
		"annotation of upper case": {edit{"spec.ssh.service.annotations", annotation("Example.com/name")}, annotationWords},
		"Service of another type":  {edit{"spec.ssh.service.type", "Ingress"}, `Unsupported value: "Ingress"`},
		"relative mount path":      {edit{"spec.volumes", volume("data")}, pathWords},
		"mount path with ..":       {edit{"spec.volumes", volume("/data/../etc")}, pathWords},
		"mount path with a colon":  {edit{"spec.volumes", volume("/a:/b")}, pathWords},
		"mount path of two lines":  {edit{"spec.volumes", volume("/a\n/b")}, pathWords},
		"mount at the root":        {edit{"spec.volumes", volume("//")}, reservedWords},
		"mount in /etc":            {edit{"spec.volumes", volume("/etc/ssh")}, reservedWords},
		"mount in //./etc":         {edit{"spec.volumes", volume("//./etc")}, reservedWords},
		"mount over /dev/shm":      {edit{"spec.volumes", volume("/dev/shm")}, reservedWords},
		"mount over the agent":     {edit{"spec.volumes", volume("/opt//devserver/bin")}, reservedWords},
		"mount over the home":      {edit{"spec.volumes", volume("/home/dev/")}, reservedWords},
		"two at one path":          {edit{"spec.volumes", append(volume("/data"), volume("/data")...)}, "Duplicate value"},
		"volume without a claim":   {edit{"spec.volumes", []any{map[string]any{"mountPath": "/data"}}}, "claimName: Required value"},
		"ephemeral and a class":    {edit{"spec.home", map[string]any{"ephemeral": true, "storageClassName": "fast"}}, "home.ephemeral cannot be combined with"},
		"claim and retention":      {edit{"spec.home", map[string]any{"claimName": "old", "retentionPolicy": "Delete"}}, "home.claimName cannot be combined with"},
		"unknown retention":        {edit{"spec.home", map[string]any{"retentionPolicy": "Forever"}}, `Unsupported value: "Forever"`},
		"home from a pod":          {edit{"spec.home", map[string]any{"dataSource": map[string]any{"kind": "Pod", "name": "x"}}}, `Unsupported value: "Pod"`},
		"restarted tomorrow":       {edit{"spec.restartedAt", "tomorrow"}, "spec.restartedAt"},
		"variable with a digit":    {edit{"spec.env", []any{map[string]any{"name": "1X"}}}, "spec.env[0].name"},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, goodDevServer)
			test.apply(t, object)
			wantRefusal(t, create(object), test.words)
		})
	}
}

func TestDevServerAccepted(t *testing.T) {
	body := strings.Fields(ed25519Key)[1]
	create := try(t)
	for name, test := range map[string]edit{
		"unchanged":              {"spec.owner", "user@example.com"},
		"flavor left out":        {"spec.flavor", nil},
		"size left out":          {"spec.persistentHomeSize", nil},
		"least timeToLive":       {"spec.lifecycle.timeToLive", "1m"},
		"greatest timeToLive":    {"spec.lifecycle.timeToLive", "87600h0m0s"},
		"timeToLive in seconds":  {"spec.lifecycle.timeToLive", "90s"},
		"idleTimeout of parts":   {"spec.lifecycle.idleTimeout", "1h30m"},
		"schedule":               {"spec.lifecycle.schedule", map[string]any{"stop": "0 20 * * *", "timeZone": "Europe/Berlin"}},
		"suspended":              {"spec.suspend", true},
		"size as a number":       {"spec.persistentHomeSize", int64(10737418240)},
		"size as digits":         {"spec.persistentHomeSize", "10737418240"},
		"size with a fraction":   {"spec.persistentHomeSize", "1.5Gi"},
		"size with an exponent":  {"spec.persistentHomeSize", "1e10"},
		"smallest size":          {"spec.persistentHomeSize", "1Mi"},
		"largest size":           {"spec.persistentHomeSize", "1Pi"},
		"longest name":           {"metadata.name", strings.Repeat("x", 50)},
		"rsa":                    {"spec.ssh.publicKey", rsaKey},
		"ecdsa":                  {"spec.ssh.publicKey", ecdsaKey},
		"ecdsa 521":              {"spec.ssh.publicKey", "ecdsa-sha2-nistp521 " + body},
		"ed25519 of a token":     {"spec.ssh.publicKey", "sk-ssh-ed25519@openssh.com " + body},
		"ecdsa of a token":       {"spec.ssh.publicKey", "sk-ecdsa-sha2-nistp256@openssh.com " + body},
		"key with a comment":     {"spec.ssh.publicKey", ed25519Key + " Zoë's laptop, 2nd"},
		"several keys":           {"spec.ssh", map[string]any{"publicKeys": []any{ed25519Key, ecdsaKey}}},
		"owner that is a name":   {"spec.owner", "zoe"},
		"image by digest":        {"spec.image", "registry.example.com:5000/a/b@sha256:" + strings.Repeat("0", 64)},
		"annotation of a cloud":  {"spec.ssh.service.annotations", map[string]any{"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}},
		"annotation of a domain": {"spec.ssh.service.annotations", map[string]any{"notdevserver.io/x": "y"}},
		"no Service":             {"spec.ssh.service.type", "None"},
		"volume":                 {"spec.volumes", volume("/data")},
		"volume in the home":     {"spec.volumes", volume("/home/dev/.cache/")},
		"volume at /etcetera":    {"spec.volumes", volume("/etcetera")},
		"volume below /opt":      {"spec.volumes", volume("/opt/conda envs")},
		"ephemeral home":         {"spec.home", map[string]any{"ephemeral": true}},
		"home to delete":         {"spec.home", map[string]any{"retentionPolicy": "Delete", "storageClassName": "fast"}},
		"home from a snapshot":   {"spec.home", map[string]any{"dataSource": map[string]any{"kind": "VolumeSnapshot", "name": "friday"}}},
		"existing home":          {"spec.home", map[string]any{"claimName": "old"}},
		"restarted":              {"spec.restartedAt", "2026-01-31T09:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			object := parse(t, goodDevServer)
			test.apply(t, object)
			if err := create(object); err != nil {
				t.Fatal(err)
			}
			// Every accepted object must decode: one that does not would break the
			// list of all objects.
			decode(t, object, &devserverv1.DevServer{})
		})
	}
}

func TestDevServerChangeRefused(t *testing.T) {
	c, ns := apiserver.Client(t), apiserver.Namespace(t)
	object := parse(t, goodDevServer)
	object.SetNamespace(ns)
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	class := map[string]any{"storageClassName": "fast"}
	for name, test := range map[string]struct {
		edit
		words string
	}{
		"other owner":   {edit{"spec.owner", "somebody@example.com"}, "owner cannot be changed"},
		"smaller home":  {edit{"spec.persistentHomeSize", "1Gi"}, "persistentHomeSize cannot shrink: a volume only grows"},
		"home of zero":  {edit{"spec.persistentHomeSize", "0"}, sizeWords},
		"size in words": {edit{"spec.persistentHomeSize", "large"}, sizeWords},
		"home's class":  {edit{"spec.home", class}, "home.storageClassName cannot be changed, added or removed"},
		"home's claim":  {edit{"spec.home", map[string]any{"claimName": "old"}}, "home.claimName cannot be changed, added or removed"},
		"ephemeral":     {edit{"spec.home", map[string]any{"ephemeral": true}}, "home.ephemeral cannot be changed"},
		"home's source": {edit{"spec.home", map[string]any{"dataSource": map[string]any{"kind": "VolumeSnapshot", "name": "x"}}}, "home.dataSource cannot be changed, added or removed"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := object.DeepCopy()
			test.apply(t, changed)
			wantRefusal(t, c.Update(t.Context(), changed, client.DryRunAll), test.words)
		})
	}
}

// TestDevServerChangeAccepted: these fields can be changed later.
func TestDevServerChangeAccepted(t *testing.T) {
	c, ns := apiserver.Client(t), apiserver.Namespace(t)
	object := parse(t, goodDevServer)
	object.SetNamespace(ns)
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]edit{
		"larger home":   {"spec.persistentHomeSize", "200Gi"},
		"the same size": {"spec.persistentHomeSize", "102400Mi"},
		"retention":     {"spec.home", map[string]any{"retentionPolicy": "Delete"}},
		"flavor":        {"spec.flavor", "cpu-small"},
		"no flavor":     {"spec.flavor", nil},
		"volumes":       {"spec.volumes", volume("/data")},
	} {
		t.Run(name, func(t *testing.T) {
			changed := object.DeepCopy()
			test.apply(t, changed)
			if err := c.Update(t.Context(), changed, client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDevServerDefaults: a field that a Go program leaves empty is not sent as zero, so
// the API server sets the default.
func TestDevServerDefaults(t *testing.T) {
	c := client.NewDryRunClient(apiserver.Client(t))
	got := &devserverv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Name: "server", Namespace: apiserver.Namespace(t)},
		Spec: devserverv1.DevServerSpec{
			Owner: "user@example.com",
			SSH:   devserverv1.SSHSpec{PublicKey: ed25519Key},
		},
	}
	if err := c.Create(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if size := got.Spec.PersistentHomeSize.String(); size != "10Gi" {
		t.Errorf("persistentHomeSize: got %s, want 10Gi", size)
	}
	if got.Spec.SSH.Service.Type != devserverv1.SSHServiceNodePort {
		t.Errorf("ssh.service.type: got %q, want NodePort", got.Spec.SSH.Service.Type)
	}
}
