package sshd

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// rootName is the account that a box with RootLogin has beside its user.
const rootName = "root"

// account is somebody who may log in. Without RootLogin there is one, and what
// it starts runs as the agent itself does. With RootLogin the agent is root,
// and there are two; what the agent does in the user's name, it does with the
// user's rights and no more: it starts processes with the user's ids, and
// opens terminals, pipes, ports and sockets as the user (see as).
type account struct {
	cfg  *Config
	name string
	// switches is set if processes need other ids than the agent's own.
	switches bool
	uid, gid int
	agents   *agentSockets
}

// newAccounts makes the accounts of a box, by name.
func newAccounts(cfg *Config, log *slog.Logger) map[string]*account {
	user := &account{cfg: cfg, name: cfg.Box.User, switches: cfg.RootLogin, uid: cfg.UID, gid: cfg.GID}
	user.agents = newAgentSockets(cfg.RuntimeDir, user, log)
	accounts := map[string]*account{user.name: user}
	if cfg.RootLogin {
		// The agent has a further group, that of the pod's volumes, which root's
		// processes do not need.
		root := &account{cfg: cfg, name: rootName, switches: true}
		root.agents = newAgentSockets(filepath.Join(filepath.Dir(cfg.RuntimeDir), ".devserver-agent-"+rootName), root, log)
		accounts[rootName] = root
	}
	return accounts
}

// home is the box's home for its user, whatever passwd says, so that the way
// into the box does not depend on a file that root may break.
func (a *account) home() string {
	if a.name == a.cfg.Box.User {
		return a.cfg.Box.Home
	}
	if home, _ := a.passwdEntry(); filepath.IsAbs(home) {
		return home
	}
	return "/root"
}

// inHome gives the place of a path that a client names. A relative one is
// meant from the home, where every session starts.
func (a *account) inHome(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(a.home(), path)
}

// passwdEntry is read each time: it is one small file, and a box where somebody
// may edit it shows the change at the next login. It is empty where it is missing.
func (a *account) passwdEntry() (home, shell string) {
	text, err := os.ReadFile(a.cfg.PasswdFile)
	if err != nil {
		return "", ""
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		fields := strings.Split(line, ":")
		if len(fields) == 7 && fields[0] == a.name {
			return fields[5], fields[6]
		}
	}
	return "", ""
}

// maxGroups is the kernel's bound.
const maxGroups = 65536

// groups are the account's own and those that name it in the box's group file:
// "usermod --append --groups docker dev" takes effect at the next login.
func (a *account) groups() []uint32 {
	ids := []uint32{uint32(a.gid)}
	text, err := os.ReadFile(a.cfg.GroupFile)
	if err != nil {
		return ids
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		fields := strings.Split(line, ":")
		if len(fields) != 4 || !slices.Contains(strings.Split(fields[3], ","), a.name) {
			continue
		}
		id, err := strconv.ParseUint(fields[2], 10, 32)
		if err == nil && len(ids) < maxGroups && !slices.Contains(ids, uint32(id)) {
			ids = append(ids, uint32(id))
		}
	}
	return ids
}

// attributes are those of a process that leads a session of its own.
func (a *account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if a.switches {
		attributes.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: a.groups()}
	}
	return attributes
}
