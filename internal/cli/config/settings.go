package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"devserver.io/devserver/internal/cli/imageref"
	"devserver.io/devserver/internal/cli/keys"
)

// setting is a value that a user can set.
type setting struct {
	name, meaning string
	field         func(*Config) *string
	// check says what is wrong with a value, so that devctl config set refuses it and
	// not a later command.
	check func(string) error
}

// settings are all settings, in the order in which they are shown.
var settings = []setting{
	{"flavor", "flavor of a new DevServer", func(c *Config) *string { return &c.Flavor }, checkFlavor},
	{"image", "image of a new DevServer", func(c *Config) *string { return &c.Image }, checkImage},
	{"homeSize", "size of a new home directory, such as 100Gi", func(c *Config) *string { return &c.HomeSize }, checkSize},
	{"key", "path of the public key that may log in to a new DevServer", func(c *Config) *string { return &c.Key }, checkKey},
	{"github", "GitHub user whose keys may log in to a new DevServer", func(c *Config) *string { return &c.GitHub }, checkUser},
	{"githubURL", "URL of a GitHub Enterprise server with these keys", func(c *Config) *string { return &c.GitHubURL }, checkURL},
	{"editor", "program that devctl code opens, such as cursor", func(c *Config) *string { return &c.Editor }, checkEditor},
}

func find(name string) (setting, error) {
	for _, s := range settings {
		if s.name == name {
			return s, nil
		}
	}
	return setting{}, fmt.Errorf("%q is not a setting: choose from %s", name, known())
}

// known names all settings in a sentence.
func known() string {
	names := Names()
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// Names are those of all settings.
func Names() []string {
	var names []string
	for _, s := range settings {
		names = append(names, s.name)
	}
	return names
}

func checkFlavor(value string) error {
	if faults := validation.IsDNS1123Subdomain(value); len(faults) > 0 {
		return errors.New("must be the name of a flavor: lower-case letters, digits, '-' and '.'")
	}
	return nil
}

func checkImage(value string) error {
	if imageref.Check(value) != nil {
		return errors.New("must be an image reference, such as registry.example.com/team/image:tag")
	}
	return nil
}

// The API's bounds of a home directory's size.
var leastHome, mostHome = resource.MustParse("1Mi"), resource.MustParse("1Pi")

func checkSize(value string) error {
	if size, err := resource.ParseQuantity(value); err != nil || size.Cmp(leastHome) < 0 || size.Cmp(mostHome) > 0 {
		return errors.New("must be a size from 1Mi to 1Pi, such as 100Gi")
	}
	return nil
}

// checkKey requires a path that is the same in every directory.
func checkKey(value string) error {
	if !filepath.IsAbs(value) && !strings.HasPrefix(value, "~/") {
		return errors.New("must be a path that begins with / or ~/, such as ~/.ssh/id_ed25519.pub")
	}
	return nil
}

func checkUser(value string) error {
	if !keys.IsGitHubUser(value) {
		return errors.New("must be the name of a user, such as octocat")
	}
	return nil
}

// checkURL requires https: an attacker who can change the answer can log in.
func checkURL(value string) error {
	if !keys.IsGitHubURL(value) {
		return errors.New("must be a URL that begins with https://, such as https://github.example.com")
	}
	return nil
}

func checkEditor(value string) error {
	if value == "" || strings.HasPrefix(value, "-") || slices.ContainsFunc([]rune(value), func(r rune) bool { return r <= ' ' }) {
		return errors.New("must be the name of a program, such as code or cursor")
	}
	return nil
}
