package desired_test

import (
	"strings"
	"testing"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
)

func TestMergeVolumesRefused(t *testing.T) {
	volume := func(at string) devv1.VolumeMount { return devv1.VolumeMount{ClaimName: "c", MountPath: at} }
	for at, says := range map[string]string{
		"/":                    "spec.volumes[0] cannot be mounted at /: the server itself needs that folder",
		"//":                   "cannot be mounted at /:",
		"/home/dev/":           "cannot be mounted at /home/dev:",
		"/home/./dev":          "cannot be mounted at /home/dev:",
		"/dev/shm":             "cannot be mounted at /dev/shm:",
		"/etc":                 "cannot be mounted at /etc:",
		"/proc/1":              "cannot be mounted",
		"/opt/devserver/bin":   "cannot be mounted",
		"/run/devserver":       "cannot be mounted",
		"/var/run/devserver/x": "cannot be mounted", // In most images, /var/run is a link to /run.
		"/opt/x/../devserver/": "cannot be mounted at /opt/devserver:",
	} {
		d := &devv1.DevServer{Spec: devv1.DevServerSpec{Volumes: []devv1.VolumeMount{volume(at)}}}
		if _, err := desired.MergeVolumes(d, &devv1.DevServerFlavor{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want words %q", at, err, says)
		}
	}
	for name, d := range map[string]devv1.DevServerSpec{
		"spec.volumes[0] and spec.volumes[1]":            {Volumes: []devv1.VolumeMount{volume("/data"), volume("/data/")}},
		"spec.sharedVolumeClaimName and spec.volumes[0]": {SharedVolumeClaimName: "s", Volumes: []devv1.VolumeMount{volume("/shared")}},
	} {
		_, err := desired.MergeVolumes(&devv1.DevServer{Spec: d}, &devv1.DevServerFlavor{})
		if err == nil || !strings.Contains(err.Error(), name+" have the same mount path") {
			t.Errorf("got %v, want words %q", err, name)
		}
	}
}

func TestMergeVolumes(t *testing.T) {
	flavor := &devv1.DevServerFlavor{Spec: devv1.DevServerFlavorSpec{Volumes: []devv1.VolumeMount{
		{ClaimName: "datasets", MountPath: "/data//x"}, {ClaimName: "all", MountPath: "/shared"}, {ClaimName: "opt", MountPath: "/opt"},
	}}}
	d := &devv1.DevServer{Spec: devv1.DevServerSpec{
		SharedVolumeClaimName: "mine",
		Volumes:               []devv1.VolumeMount{{ClaimName: "own", MountPath: "/data/x/", ReadOnly: true}, {ClaimName: "cache", MountPath: "/home/dev/.cache"}},
	}}
	got, err := desired.MergeVolumes(d, flavor)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range got {
		line := v.Claim + " at " + v.Path
		if v.ReadOnly {
			line += " ro"
		}
		lines = append(lines, line)
	}
	if got, want := strings.Join(lines, ", "), "own at /data/x ro, cache at /home/dev/.cache, opt at /opt, mine at /shared"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
