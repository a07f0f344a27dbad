package agent

import (
	"io"
	"path/filepath"

	"devserver.io/devserver/internal/agent/prepare"
	"devserver.io/devserver/internal/agent/supervisor"
)

func runInit(args []string, stderr io.Writer) (exitCode int, err error) {
	var flags serveFlags
	if err := flags.parse("init", args, stderr); err != nil {
		return 2, err
	}
	binary, err := self()
	if err != nil {
		return 1, err
	}
	if flags.root {
		err := prepare.InPlace(prepare.Place{
			Passwd: flags.passwd, Group: flags.group, UID: flags.uid, GID: flags.gid,
			Private: filepath.Dir(flags.sshDir),
		})
		if err != nil {
			return 1, err
		}
	}
	return supervisor.Run(supervisor.Config{
		Command: append([]string{binary, "serve"}, args...),
		Grace:   flags.grace,
		Logger:  newLogger(stderr),
	})
}
