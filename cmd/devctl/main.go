// Devctl is the command line of DevServer, also as kubectl-devserver.
package main

import (
	"os"

	"devserver.io/devserver/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
