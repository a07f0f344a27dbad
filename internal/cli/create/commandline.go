package create

import (
	"strings"

	"devserver.io/devserver/internal/cli/reach"
)

// commandLine is the command that creates the same server without a form.
func (c *creator) commandLine() string {
	words := []string{"devctl", "create", c.Waiting.Name, "-n", c.Waiting.Namespace}
	add := func(flag string, values ...string) {
		for _, value := range values {
			if value != "" {
				words = append(words, flag, reach.ShellQuote(value))
			}
		}
	}
	add("--flavor", c.Flavor)
	add("--image", c.Image)
	add("--home-size", c.HomeSize)
	add("--storage-class", c.StorageClass)
	add("--shared", c.Shared)
	add("-v", c.Volumes...)
	add("--env", c.Env...)
	add("--ttl", c.TTL)
	add("--idle", c.Idle)
	add("--key", c.Keys.Files...)
	add("--github", c.Keys.GitHub...)
	return strings.Join(words, " ")
}
