package config

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"devserver.io/devserver/internal/cli/keys"
)

// Apply gives the flags of a command that are not on its command line the values of
// settings; flags has the name of the flag for each setting. If --key or --github is on
// the command line, neither of their settings applies, because their keys would be
// accepted in addition to those that the user names.
func Apply(cmd *cobra.Command, flags map[string]string) error {
	c, err := Load()
	if err != nil {
		return err
	}
	if cmd.Flags().Changed(flags["key"]) || cmd.Flags().Changed(flags["github"]) {
		c.Key, c.GitHub = "", ""
	}
	for _, s := range settings {
		value := *s.field(&c)
		flag := cmd.Flags().Lookup(flags[s.name])
		if value == "" || flag == nil || flag.Changed || setByVariable(flag) {
			continue
		}
		// Not through the command, for which the flag would then be on its command line.
		if err := flag.Value.Set(value); err != nil {
			return fmt.Errorf("the configuration: %s: %w", s.name, err)
		}
	}
	return nil
}

func setByVariable(flag *pflag.Flag) bool {
	return slices.ContainsFunc(flag.Annotations[keys.Variable], func(name string) bool { return os.Getenv(name) != "" })
}
