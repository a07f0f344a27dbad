package cli

import (
	"github.com/spf13/cobra"

	"devserver.io/devserver/internal/cli/config"
)

// settings are the flags of commands whose defaults devctl config sets: for each
// setting its flag.
var settings = map[string]map[string]string{
	"create": {
		"flavor": "flavor", "image": "image", "homeSize": "home-size",
		"key": "key", "github": "github", "githubURL": "github-url",
	},
	"code": {"editor": "editor"},
}

// configure makes these commands use the settings.
func configure(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		flags, ok := settings[cmd.Name()]
		if !ok {
			continue
		}
		run := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := config.Apply(cmd, flags); err != nil {
				return err
			}
			return run(cmd, args)
		}
	}
}
