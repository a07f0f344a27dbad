// Package keys finds the public SSH keys of the person at the terminal: in
// files, in the SSH agent, and at GitHub. No private key is ever read.
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

	"devserver.io/devserver/internal/cli/config"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/sshkeys"
)

// Key is a public key, and where it was found.
type Key struct {
	// Line is what a .pub file has: type, base64 and comment.
	Line        string
	Fingerprint string
	Source      string
	kind        string
}

// most is how many keys a DevServer can have: publicKey and 64 publicKeys.
const most = 65

// Options say where to look for keys.
type Options struct {
	// Files are public key files, and GitHub users whose keys to take.
	Files, GitHub []string
	// GitHubURL is where GitHub is.
	GitHubURL string
	// HTTP is for tests; nil is the usual client.
	HTTP *http.Client
}

// urlVariable has the address of a GitHub Enterprise server.
const urlVariable = "DEVCTL_GITHUB_URL"

// AddTo makes the flags known to a command.
func (o *Options) AddTo(flags *pflag.FlagSet) {
	flags.StringArrayVar(&o.Files, "key", nil, "public key `FILE` that may log in, or the private key's beside it; may be repeated (default: your agent's keys, and those in ~/.ssh)")
	flags.StringArrayVar(&o.GitHub, "github", nil, "take the public keys of that GitHub `USER`; may be repeated")
	flags.StringVar(&o.GitHubURL, "github-url", cmp.Or(os.Getenv(urlVariable), "https://github.com"), "address of a GitHub Enterprise server; also "+urlVariable)
	_ = flags.SetAnnotation("github-url", config.Variable, []string{urlVariable}) // It fails only for a flag that is not there.
}

// Asked tells whether keys were named, so that none are to be guessed.
func (o *Options) Asked() bool { return len(o.Files)+len(o.GitHub) > 0 }

// Find returns the keys that are asked for, else those of the SSH agent and of
// ~/.ssh, the best first.
func Find(ctx context.Context, o Options) ([]Key, error) {
	var found []Key
	if !o.Asked() {
		found = append(agentKeys(ctx), homeKeys()...)
		if len(found) == 0 {
			return nil, exit.With(exit.Refused, errors.New(
				"you have no SSH key, neither in an agent nor in ~/.ssh: make one with ssh-keygen -t ed25519, or name one with --key FILE or --github USER"))
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
	found = unique(found)
	if len(found) > most {
		return nil, exit.With(exit.Refused, fmt.Errorf("these are %d keys, and a DevServer can have %d: name fewer", len(found), most))
	}
	return found, nil
}

// order is that of preference. Hardware keys come late: each login wants a
// touch.
var order = []string{
	ssh.KeyAlgoED25519,
	ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
	ssh.KeyAlgoRSA,
}

func rank(k Key) int { return slices.Index(order, k.kind) }

// parse makes a Key of a line.
func parse(line, source string) (Key, error) {
	public, comment, err := sshkeys.ParseAuthorized(line)
	if err != nil {
		return Key{}, err
	}
	text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
	if comment = strings.TrimSpace(strings.ReplaceAll(comment, "\t", " ")); comment != "" {
		text += " " + comment
	}
	return Key{Line: text, Fingerprint: sshkeys.Fingerprint(public), Source: source, kind: public.Type()}, nil
}

// parseLines makes Keys of a text with one key to a line. What is no key is
// left out; bad is why the first of these is none.
func parseLines(text, source string) (found []Key, bad error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := parse(line, source)
		if err == nil {
			found = append(found, key)
		} else if bad == nil {
			bad = err
		}
	}
	return found, bad
}

// unique leaves out keys that were found before.
func unique(keys []Key) (once []Key) {
	seen := map[string]bool{}
	for _, k := range keys {
		if !seen[k.Fingerprint] {
			seen[k.Fingerprint] = true
			once = append(once, k)
		}
	}
	return once
}

// Words says which keys these are.
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

// Same tells whether two lines have the same key, whatever their comments say.
func Same(a, b string) bool {
	first, _, err := sshkeys.ParseAuthorized(a)
	if err != nil {
		return false
	}
	second, _, err := sshkeys.ParseAuthorized(b)
	return err == nil && sshkeys.Fingerprint(first) == sshkeys.Fingerprint(second)
}

// short shows a path in the home directory as people write it.
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
