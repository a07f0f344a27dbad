package create

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

const (
	laptop = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHtL3MyHIx6kif77m/WPFDRRgdItMGJNHtDC6+NEsmkp"
	phone  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP+nxmWGMKiGjHbchXe78f6oBcbaUNwqlfgKI5TE4LAv"
)

// existing is a DevServer as an earlier command created it.
func existing() *devserverv1.DevServer {
	ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bot"}}
	ds.Spec.Owner, ds.Spec.Flavor, ds.Spec.PersistentHomeSize = "ann", "small", resource.MustParse("10Gi")
	ds.Spec.SSH.PublicKey = laptop + " old comment"
	ds.Spec.Volumes = []devserverv1.VolumeMount{{ClaimName: "data", MountPath: "/data"}}
	ds.Spec.Env = []devserverv1.EnvVar{{Name: "A", Value: "1"}}
	ds.Spec.Lifecycle = &devserverv1.LifecycleSpec{TimeToLive: &metav1.Duration{Duration: time.Hour}}
	ds.Status.Flavor = "small"
	return ds
}

func TestDifferences(t *testing.T) {
	cases := map[string]struct {
		reason string
		want   func(*devserverv1.DevServerSpec)
		asked  bool // keys
		words  string
		how    string
	}{
		"Same":     {"all that was asked for is so", func(*devserverv1.DevServerSpec) {}, true, "", ""},
		"LeftOut":  {"what is not asked for may be anything", func(s *devserverv1.DevServerSpec) { s.Flavor, s.Lifecycle, s.Env, s.Volumes = "", nil, nil, nil }, false, "", ""},
		"Flavor":   {"resize changes it", func(s *devserverv1.DevServerSpec) { s.Flavor = "large" }, false, "its flavor is small, not large", "devctl resize bot -n team --flavor large"},
		"Larger":   {"resize changes it", func(s *devserverv1.DevServerSpec) { s.PersistentHomeSize = resource.MustParse("20Gi") }, false, "its home directory has 10Gi, not 20Gi", "devctl resize bot -n team --home-size 20Gi"},
		"Smaller":  {"nothing changes it", func(s *devserverv1.DevServerSpec) { s.PersistentHomeSize = resource.MustParse("5Gi") }, false, "its home directory has 10Gi, not 5Gi, and a home directory does not shrink", ""},
		"SameSize": {"sizes are numbers", func(s *devserverv1.DevServerSpec) { s.PersistentHomeSize = resource.MustParse("10240Mi") }, false, "", ""},
		"Class": {"it cannot change", func(s *devserverv1.DevServerSpec) {
			s.Home = &devserverv1.HomeSpec{StorageClassName: new("fast")}
		}, false, "the StorageClass of its home directory is the default, not fast, and cannot change", ""},
		"Image":  {"set-image changes it", func(s *devserverv1.DevServerSpec) { s.Image = "debian" }, false, "its image is the flavor's, not debian", "devctl set-image bot -n team debian"},
		"Shared": {"a patch changes it", func(s *devserverv1.DevServerSpec) { s.SharedVolumeClaimName = "efs" }, false, "its shared claim is none, not efs", `{"spec":{"sharedVolumeClaimName":"efs"}}`},
		"Idle": {"the time to live stays", func(s *devserverv1.DevServerSpec) {
			s.Lifecycle.IdleTimeout = &metav1.Duration{Duration: 2 * time.Hour}
		}, false, "its idle timeout is the flavor's, not 2h", `{"spec":{"lifecycle":{"idleTimeout":"2h0m0s"}}}`},
		"Times": {"both in one patch", func(s *devserverv1.DevServerSpec) {
			s.Lifecycle = &devserverv1.LifecycleSpec{TimeToLive: &metav1.Duration{Duration: 2 * time.Hour}, IdleTimeout: &metav1.Duration{Duration: time.Hour}}
		}, false, "its time to live is 1h, not 2h; its idle timeout is the flavor's, not 1h", `{"spec":{"lifecycle":{"idleTimeout":"1h0m0s","timeToLive":"2h0m0s"}}}`},
		"Env":      {"the others stay", func(s *devserverv1.DevServerSpec) { s.Env = []devserverv1.EnvVar{{Name: "B", Value: "2"}} }, false, "its variable B differs", `{"spec":{"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}]}}`},
		"EnvValue": {"it is replaced", func(s *devserverv1.DevServerSpec) { s.Env = []devserverv1.EnvVar{{Name: "A", Value: "2"}} }, false, "its variable A differs", `{"spec":{"env":[{"name":"A","value":"2"}]}}`},
		"Volume": {"the others stay", func(s *devserverv1.DevServerSpec) {
			s.Volumes = []devserverv1.VolumeMount{{ClaimName: "more", MountPath: "/more", ReadOnly: true}}
		}, false, "it does not mount more at /more that way", `[{"claimName":"data","mountPath":"/data"},{"claimName":"more","mountPath":"/more","readOnly":true}]`},
		"AnyOwnKey":  {"one that was found is enough", func(s *devserverv1.DevServerSpec) { s.SSH.PublicKeys = []string{phone} }, false, "", ""},
		"NoOwnKey":   {"the user could not log in", func(s *devserverv1.DevServerSpec) { s.SSH.PublicKey = phone }, false, "your key cannot log in", `{"spec":{"ssh":{"publicKeys":["` + phone + `"]}}}`},
		"AskedKey":   {"each that was named is wanted", func(s *devserverv1.DevServerSpec) { s.SSH.PublicKeys = []string{phone} }, true, "one of the keys cannot log in", `{"spec":{"ssh":{"publicKeys":["` + phone + `"]}}}`},
		"Everything": {"each in its own way", func(s *devserverv1.DevServerSpec) { s.Flavor, s.Image = "large", "debian" }, false, "its flavor is small, not large; its image is the flavor's, not debian", "devctl resize bot -n team --flavor large && devctl set-image bot -n team debian"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			wanted := existing()
			wanted.Spec.SSH.PublicKey = laptop
			tc.want(&wanted.Spec)
			found := differences(existing(), wanted, tc.asked)
			if tc.words == "" {
				if len(found) > 0 {
					t.Errorf("%s: got %+v, want no difference", tc.reason, found)
				}
				return
			}
			got := different(existing(), found).Error()
			if !strings.Contains(got, "was not changed: "+tc.words) || !strings.Contains(got, tc.how) || (tc.how == "") == strings.Contains(got, "to change that") {
				t.Errorf("%s: got %q, want %q and %q", tc.reason, got, tc.words, tc.how)
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	c := &creator{}
	c.Waiting.Name, c.Waiting.Namespace = "bot", "team"
	c.Flavor, c.Image, c.HomeSize, c.Shared, c.TTL, c.Idle = "small", "debian:12", "1Gi", "efs", "2d", "1h"
	c.Volumes, c.Env = []string{"data:/data:ro", "x:/my data"}, []string{"A=it's $HOME"}
	c.Keys.Files, c.Keys.GitHub = []string{"~/a.pub"}, []string{"ann"}
	want := `devctl create bot -n team --flavor small --image debian:12 --home-size 1Gi --shared efs -v data:/data:ro -v 'x:/my data' --env 'A=it'\''s $HOME' --ttl 2d --idle 1h --key '~/a.pub' --github ann`
	if got := c.commandLine(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUsualHome(t *testing.T) {
	size := func(text string) *resource.Quantity { q := resource.MustParse(text); return &q }
	for want, bounds := range map[string]*devserverv1.SizeBounds{
		"0":    nil,
		"20Gi": {Min: size("20Gi"), Max: size("50Gi")},
		"5Gi":  {Max: size("5Gi")},
	} {
		flavor := &devserverv1.DevServerFlavor{}
		flavor.Spec.HomeSize = bounds
		if got := usualHome(flavor); got.String() != want {
			t.Errorf("%+v: %s, want %s", bounds, &got, want)
		}
	}
}

func TestWithoutADefaultFlavorOneHasToBeChosen(t *testing.T) {
	c := &creator{known: true, flavors: []devserverv1.DevServerFlavor{{ObjectMeta: metav1.ObjectMeta{Name: "small"}}}}
	if _, err := c.checkFlavor(); err == nil || !strings.Contains(err.Error(), "so --flavor is required: choose from small") {
		t.Errorf("got %v, want the choices", err)
	}
	c.known, c.flavors = false, nil // A user who may not read flavors may know one.
	c.Flavor = "large"
	if _, err := c.checkFlavor(); err != nil {
		t.Error(err)
	}
}
