package config

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Variable annotates a flag with the environment variable that it heeds: that is
// said more lately than the file, and wins.
const Variable = "devserver.io/variable"

// Apply gives the flags of a command that are not on its command line the values
// of settings: flags has the name of the flag for each setting. Where one of
// keys' two is on the command line, both settings stand back: they would let
// others in than who was named.
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
		if value == "" || flag == nil || flag.Changed || heedsVariable(flag) {
			continue
		}
		// Not through the command, which would take it for typed.
		if err := flag.Value.Set(value); err != nil {
			return fmt.Errorf("the configuration: %s: %w", s.name, err)
		}
	}
	return nil
}

func heedsVariable(flag *pflag.Flag) bool {
	return slices.ContainsFunc(flag.Annotations[Variable], func(name string) bool { return os.Getenv(name) != "" })
}
