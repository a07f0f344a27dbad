package cli

import "github.com/spf13/cobra"

// Groups of the commands, in the order in which help shows them.
const (
	boxes      = "boxes"
	connect    = "connect"
	understand = "understand"
	admin      = "admin"
)

// groups say which commands belong together. Those that are not here are about
// devctl itself.
var groups = map[string][]string{
	boxes:      {"create", "delete", "extend", "flavors", "homes", "keep", "list", "resize", "restart", "set-image", "start", "stop"},
	connect:    {"code", "cp", "port-forward", "ssh", "ssh-config", "ssh-proxy"},
	understand: {"describe", "doctor", "events", "logs", "wait", "why"},
	admin:      {"users"},
}

// group puts the commands into their groups.
func group(root *cobra.Command) {
	root.AddGroup(
		&cobra.Group{ID: boxes, Title: "Boxes:"}, &cobra.Group{ID: connect, Title: "Connect:"},
		&cobra.Group{ID: understand, Title: "Understand:"}, &cobra.Group{ID: admin, Title: "Admin:"},
	)
	for id, names := range groups {
		for _, name := range names {
			if cmd, _, err := root.Find([]string{name}); err == nil && cmd != root {
				cmd.GroupID = id
			}
		}
	}
}
