// Package keys finds the public SSH keys of the user: in files, in the SSH agent,
// and at GitHub. It never reads a private key.
package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/sshkeys"
)

// Key is a public key, and where it was found.
type Key struct {
	// Line is what a .pub file has: type, base64 and comment.
	Line        string
	Fingerprint string
	Type        string
	Comment     string
	Source      string
}

// Same tells whether both are one key, whatever their comments are.
func (k Key) Same(other Key) bool { return k.Fingerprint == other.Fingerprint }

// most is how many keys a DevServer can have: publicKey and 64 publicKeys.
const most = 65

// Options say where to look for keys.
type Options struct {
	// Files are public key files, and GitHub are users there whose keys to take.
	Files, GitHub []string
	// GitHubURL is where GitHub is.
	GitHubURL string
	// HTTP is for tests; nil is the usual client.
	HTTP *http.Client
}

// Variable annotates a flag with the environment variable that is its default. That
// is more specific than the configuration file, and takes precedence over it.
const Variable = "devserver.io/variable"

// urlVariable is the environment variable with the URL of a GitHub Enterprise
// server.
const urlVariable = "DEVCTL_GITHUB_URL"

// AddTo adds the flags to a command.
func (o *Options) AddTo(flags *pflag.FlagSet) {
	flags.StringArrayVar(&o.Files, "key", nil, "public key `FILE` that may log in, or the private key file beside it; may be repeated (default: the keys of your SSH agent and of ~/.ssh)")
	flags.StringArrayVar(&o.GitHub, "github", nil, "accept the public keys of this GitHub `USER`; may be repeated")
	flags.StringVar(&o.GitHubURL, "github-url", cmp.Or(os.Getenv(urlVariable), "https://github.com"), "URL of a GitHub Enterprise server; also "+urlVariable)
	_ = flags.SetAnnotation("github-url", Variable, []string{urlVariable}) // It fails only for a flag that does not exist.
}

// Asked tells whether keys were named, so that Find does not look for others.
func (o *Options) Asked() bool { return len(o.Files)+len(o.GitHub) > 0 }

// Find returns the keys that were named, otherwise those of the SSH agent and of
// ~/.ssh, the preferred ones first.
func Find(ctx context.Context, o Options) ([]Key, error) {
	var found []Key
	if !o.Asked() {
		found = append(agentKeys(ctx), homeKeys()...)
		if len(found) == 0 {
			return nil, exit.With(exit.Refused, errors.New(
				"you have no SSH key, neither in an SSH agent nor in ~/.ssh: create one with ssh-keygen -t ed25519, or name one with --key FILE or --github USER"))
		}
		slices.SortStableFunc(found, func(a, b Key) int { return cmp.Compare(rank(a), rank(b)) })
	}
	for _, file := range o.Files {
		keys, err := fileKeys(file)
		if err != nil {
			return nil, exit.With(exit.Refused, err)
		}
		found = append(found, keys...)
	}
	for _, user := range o.GitHub {
		keys, err := githubKeys(ctx, o, user)
		if err != nil {
			return nil, err
		}
		found = append(found, keys...)
	}
	found = Unique(found)
	if len(found) > most {
		return nil, exit.With(exit.Refused, fmt.Errorf("%d keys were found, and a DevServer can have %d: name fewer", len(found), most))
	}
	return found, nil
}

// order is the order of preference. Hardware keys come late, because each login
// requires a touch.
var order = []string{
	ssh.KeyAlgoED25519,
	ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
	ssh.KeyAlgoRSA,
}

func rank(k Key) int { return slices.Index(order, k.Type) }

// Parse reads the Key in a line.
func Parse(line, source string) (Key, error) {
	public, comment, err := sshkeys.ParseAuthorized(line)
	if err != nil {
		return Key{}, err
	}
	text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
	if comment = strings.TrimSpace(strings.ReplaceAll(comment, "\t", " ")); comment != "" {
		text += " " + comment
	}
	return Key{Line: text, Fingerprint: sshkeys.Fingerprint(public), Type: public.Type(), Comment: comment, Source: source}, nil
}

// parseLines reads the Keys in a text with one key per line. It skips lines that are
// not a key; bad is the error of the first of them.
func parseLines(text, source string) (found []Key, bad error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := Parse(line, source)
		if err == nil {
			found = append(found, key)
		} else if bad == nil {
			bad = err
		}
	}
	return found, bad
}

// Unique leaves out repeated keys.
func Unique(keys []Key) (once []Key) {
	for _, k := range keys {
		if !slices.ContainsFunc(once, k.Same) {
			once = append(once, k)
		}
	}
	return once
}

// Words describes keys by fingerprint and source.
func Words(keys []Key) string {
	texts := make([]string, 0, len(keys))
	for i, k := range keys {
		if i == 3 && len(keys) > 4 {
			texts = append(texts, fmt.Sprintf("and %d more", len(keys)-i))
			break
		}
		texts = append(texts, fmt.Sprintf("%s (%s)", k.Fingerprint, k.Source))
	}
	noun := "key"
	if len(keys) > 1 {
		noun = "keys"
	}
	return noun + " " + strings.Join(texts, ", ")
}

// Same tells whether two lines have the same key, regardless of their comments.
func Same(a, b string) bool {
	first, _, err := sshkeys.ParseAuthorized(a)
	if err != nil {
		return false
	}
	second, _, err := sshkeys.ParseAuthorized(b)
	return err == nil && sshkeys.Fingerprint(first) == sshkeys.Fingerprint(second)
}

// short abbreviates the home directory in a path to ~.
func short(path string) string {
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	if rest, ok := strings.CutPrefix(path, home+string(filepath.Separator)); ok {
		return filepath.Join("~", rest)
	}
	return path
}
