// Command manual writes the help of devctl as a Markdown page of all commands, or
// as man pages.
//
//	go run ./internal/cli/manual markdown docs/devctl.md
//	go run ./internal/cli/manual man dist/man
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli"
	"devserver.io/devserver/internal/version"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: manual markdown FILE | man FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

func write(form, place string) error {
	root := cli.NewCommand("devctl", genericiooptions.IOStreams{})
	root.DisableAutoGenTag = true // The same source must give the same pages.
	switch form {
	case "markdown":
		return os.WriteFile(place, page(root), 0o644) //nolint:gosec // The caller names the file.
	case "man":
		return man(root, place)
	}
	return fmt.Errorf("unknown format %q", form)
}

// man writes a page for each command.
func man(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Likewise the folder.
		return err
	}
	// A constant date, so pages do not depend on when they are generated.
	date := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &date, Source: "devctl " + version.Version, Manual: "DevServer"}, dir)
}
