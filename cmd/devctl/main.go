// Command devctl is the command line of DevServer. It is also installed as
// kubectl-devserver.
package main

import (
	"os"

	"devserver.io/devserver/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
