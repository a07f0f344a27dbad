// Command devserver-agent is the SSH server that runs in every dev server.
package main

import (
	"os"

	"devserver.io/devserver/internal/agent"
)

func main() {
	os.Exit(agent.Main(os.Args[1:], os.Stdout, os.Stderr))
}
