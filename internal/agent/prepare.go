package agent

import (
	"flag"
	"io"
	"os"
	"path/filepath"

	"devserver.io/devserver/internal/agent/prepare"
	"devserver.io/devserver/internal/agentapi"
)

func runPrepare(args []string, stderr io.Writer) (exitCode int, err error) {
	binary, err := self()
	if err != nil {
		return 1, err
	}
	cfg := prepare.Config{Binary: binary, Logger: newLogger(stderr)}
	flags := flag.NewFlagSet("prepare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.ImageDir, "image-dir", agentapi.PrepareImageDir, "root of the server's image")
	flags.StringVar(&cfg.VolumeDir, "volume-dir", agentapi.PrepareHomeDir, "root of the home volume")
	flags.StringVar(&cfg.HomeName, "home-name", agentapi.HomeSubPath, "folder of the home directory in the volume")
	flags.IntVar(&cfg.UID, "uid", os.Getuid(), "user id that the server runs as")
	flags.IntVar(&cfg.GID, "gid", os.Getgid(), "group id that the server runs as")
	flags.StringVar(&cfg.RunDir, "run-dir", filepath.Join(agentapi.PrepareRunDir, agentapi.RunSubPath), "folder to create for the socket between the main container and the SSH server")
	flags.StringVar(&cfg.AgentDir, "agent-dir", agentapi.AgentDir, "folder to fill for the main container")
	if err := parse(flags, args); err != nil {
		return 2, err
	}
	if err := prepare.Run(cfg); err != nil {
		return 1, err
	}
	return 0, nil
}
