package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"devserver.io/devserver/internal/exit"
)

// Bounds of GitHub's answer: how long it may take, and its size in bytes.
const (
	githubPatience = 15 * time.Second
	maxAnswer      = 1 << 20
)

var githubUser = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})$`)

// IsGitHubUser tells whether GitHub and GitHub Enterprise allow a user name.
func IsGitHubUser(name string) bool { return githubUser.MatchString(name) }

// IsGitHubURL tells whether keys can be fetched from a URL. It requires TLS:
// otherwise an attacker on the network could add a key.
func IsGitHubURL(base string) bool {
	u, err := url.Parse(base)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// githubKeys fetches the public keys of a GitHub user.
func githubKeys(ctx context.Context, o Options, user string) ([]Key, error) {
	address, err := githubAddress(o.GitHubURL, user)
	if err != nil {
		return nil, exit.With(exit.Usage, err)
	}
	doing := "fetching the keys of GitHub user " + user + " from " + address
	instead := "; to use a key from this machine: --key FILE"
	text, code, err := fetch(ctx, o.HTTP, address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w%s", doing, cause(err), instead)
	case code == http.StatusNotFound:
		return nil, exit.With(exit.Refused, fmt.Errorf("%s: the user does not exist", doing))
	case code != http.StatusOK:
		return nil, fmt.Errorf("%s: the answer was %d %s%s", doing, code, http.StatusText(code), instead)
	}
	found, bad := parseLines(text, "of GitHub user "+user)
	switch {
	case len(found) == 0 && bad != nil:
		return nil, exit.With(exit.Refused, fmt.Errorf("%s: the answer has no key that a DevServer accepts: %w%s", doing, bad, instead))
	case len(found) == 0:
		return nil, exit.With(exit.Refused, fmt.Errorf("%s: the user has no SSH keys%s", doing, instead))
	}
	return found, nil
}

// githubAddress is the URL of a user's keys.
func githubAddress(base, user string) (string, error) {
	if !IsGitHubUser(user) {
		return "", fmt.Errorf("--github %q is not the name of a GitHub user", user)
	}
	if !IsGitHubURL(base) {
		return "", fmt.Errorf("--github-url %q is not a URL such as https://github.example.com", base)
	}
	return url.JoinPath(base, user+".keys")
}

func fetch(ctx context.Context, client *http.Client, address string) (text string, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, githubPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", 0, err
	}
	if client == nil {
		client = http.DefaultClient
	}
	strict := *client
	// A redirect leads to a login page or to another host: it is not followed.
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := strict.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = response.Body.Close() }() // It was only read.
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return strings.ToValidUTF8(string(body), "?"), response.StatusCode, err
}

// cause is an error of net/http without the method and URL, which the message
// already has.
func cause(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		if wrapped.Timeout() {
			return fmt.Errorf("no answer within %s", githubPatience)
		}
		return wrapped.Err
	}
	return err
}
