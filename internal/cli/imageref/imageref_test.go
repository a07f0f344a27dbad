package imageref

import "testing"

func TestCheck(t *testing.T) {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for image, want := range map[string]bool{
		"debian":                                 true,
		"debian:12":                              true,
		"registry.example.com:5000/team/train:3": true,
		"registry.example.com/train" + digest:    true,
		"":                                       false,
		"a b":                                    false,
		"Debian":                                 false,
		"registry.example.com/Team/train":        false,
		"https://registry.example.com/train":     false,
		"train:":                                 false,
		"train:a:b":                              false,
		"train@sha256:0123":                      false,
	} {
		if err := Check(image); (err == nil) != want {
			t.Errorf("%q: %v, want valid: %t", image, err, want)
		}
	}
}
