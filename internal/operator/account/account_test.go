package account_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/account"
)

var update = flag.Bool("update", false, "write the golden files anew")

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJRZ8wZb0xRLRl7W6s6wM6GxBvVYIoNzD3xk0Zs4R9rT test"

func alice(edits ...func(*devv1.DevServerUser)) *devv1.DevServerUser {
	u := &devv1.DevServerUser{
		ObjectMeta: metav1.ObjectMeta{Name: "alice.the.first", UID: "1"},
		Spec:       devv1.DevServerUserSpec{Username: "alice", Owner: "alice@example.com", PublicKeys: []string{publicKey}},
	}
	for _, edit := range edits {
		edit(u)
	}
	return u
}

func TestDesired(t *testing.T) {
	for name, u := range map[string]*devv1.DevServerUser{
		"minimal": alice(),
		"all": alice(func(u *devv1.DevServerUser) {
			u.Spec.Quota = corev1.ResourceList{"count/devservers.devserver.io": resource.MustParse("5"), "requests.nvidia.com/gpu": resource.MustParse("2")}
			u.Spec.LimitRange = []devv1.LimitRangeItem{
				{
					Type: corev1.LimitTypeContainer,
					Min:  corev1.ResourceList{"cpu": resource.MustParse("10m")}, Max: corev1.ResourceList{"cpu": resource.MustParse("8")},
					Default: corev1.ResourceList{"cpu": resource.MustParse("2")}, DefaultRequest: corev1.ResourceList{"cpu": resource.MustParse("1")},
				},
				{Type: corev1.LimitTypePersistentVolumeClaim, Max: corev1.ResourceList{"storage": resource.MustParse("1Ti")}},
			}
			u.Spec.PodSecurity = devv1.PodSecurityBaseline
			u.Spec.Roles = []devv1.RoleReference{{Kind: "ClusterRole", Name: "view"}, {Kind: "Role", Name: "view"}, {Kind: "ClusterRole", Name: "view"}}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			o := account.Desired(u)
			var documents []string
			for _, object := range append(append([]runtime.ApplyConfiguration{o.Namespace}, o.Limits...), o.Roles...) {
				document, err := yaml.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				documents = append(documents, string(document))
			}
			got := strings.Join(documents, "---\n")
			golden := "testdata/" + name + ".yaml"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("run go test ./internal/operator/account -update if this is as it should be (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHas(t *testing.T) {
	o := account.Desired(alice(func(u *devv1.DevServerUser) { u.Spec.Quota = corev1.ResourceList{"pods": resource.MustParse("1")} }))
	for kind, want := range map[string]bool{"ResourceQuota": true, "RoleBinding": true, "LimitRange": false, "Namespace": false} {
		if o.Has(kind, account.Name) != want {
			t.Errorf("a user with a quota and no limits: %s exists: %t", kind, !want)
		}
	}
	if o.Has("RoleBinding", "another") {
		t.Error("there is another RoleBinding")
	}
}

func TestElder(t *testing.T) {
	day := func(n int) metav1.Time { return metav1.NewTime(time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC)) }
	other := func(name, username, owner string, created metav1.Time) devv1.DevServerUser {
		return devv1.DevServerUser{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: created},
			Spec:       devv1.DevServerUserSpec{Username: username, Owner: owner},
		}
	}
	u := alice(func(u *devv1.DevServerUser) { u.CreationTimestamp = day(2) })
	for name, c := range map[string]struct {
		others []devv1.DevServerUser
		want   string
	}{
		"no user":            {nil, ""},
		"others":             {[]devv1.DevServerUser{other("bob", "bob", "bob@example.com", day(1))}, ""},
		"younger":            {[]devv1.DevServerUser{other("z", "alice", "alice@example.com", day(3))}, ""},
		"same user name":     {[]devv1.DevServerUser{other("z", "alice", "else@example.com", day(1))}, "z"},
		"same owner":         {[]devv1.DevServerUser{other("z", "else", "alice@example.com", day(1))}, "z"},
		"of the same second": {[]devv1.DevServerUser{other("a", "alice", "else@example.com", day(2))}, "a"},
		"name decides":       {[]devv1.DevServerUser{other("b", "alice", "else@example.com", day(2))}, ""},
		"the oldest": {[]devv1.DevServerUser{
			other("y", "alice", "else@example.com", metav1.NewTime(day(1).Add(time.Hour))), other("z", "else", "alice@example.com", day(1)),
		}, "z"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if elder := account.Elder(u, append(c.others, *u)); elder != nil {
				got = elder.Name
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestBadKeys(t *testing.T) {
	if got := account.BadKeys(alice()); got != "" {
		t.Errorf("a good key is refused: %s", got)
	}
	got := account.BadKeys(alice(func(u *devv1.DevServerUser) {
		u.Spec.PublicKeys = []string{"ssh-rsa AAAA", publicKey, "ssh-ed25519 AAAA"}
	}))
	if !strings.Contains(got, "spec.publicKeys[0] is") || strings.Contains(got, "[1]") || !strings.Contains(got, "spec.publicKeys[2] is") {
		t.Errorf("got %s", got)
	}
}
