package config

import (
	"fmt"

	"github.com/spf13/cobra"
)

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
		if value == "" || flag == nil || flag.Changed {
			continue
		}
		// Not through the command, which would take it for typed.
		if err := flag.Value.Set(value); err != nil {
			return fmt.Errorf("the configuration: %s: %w", s.name, err)
		}
	}
	return nil
}
