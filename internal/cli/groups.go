package cli

import "github.com/spf13/cobra"

// Groups of the commands, in the order in which help shows them.
const (
	servers    = "servers"
	connect    = "connect"
	understand = "understand"
	admin      = "admin"
)

// groups are the commands that belong together. Commands that are in none are
// about devctl itself.
var groups = map[string][]string{
	servers:    {"create", "delete", "extend", "flavors", "homes", "keep", "list", "resize", "restart", "set-image", "start", "stop"},
	connect:    {"code", "cp", "port-forward", "share", "ssh", "ssh-config", "ssh-proxy", "unshare"},
	understand: {"describe", "doctor", "events", "logs", "wait", "why"},
	admin:      {"users"},
}

// group puts the commands into their groups.
func group(root *cobra.Command) {
	root.AddGroup(
		&cobra.Group{ID: servers, Title: "Servers:"}, &cobra.Group{ID: connect, Title: "Connect:"},
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
