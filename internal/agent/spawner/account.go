package spawner

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// rootName is the second account of a server with RootLogin.
const rootName = "root"

// account is a name that may log in. Without RootLogin there is one account,
// and its processes run with the agent's ids. With RootLogin the agent is root
// and there are two accounts. Whatever the agent does for the user, it then
// does with the user's rights only: it starts processes with the user's ids,
// and opens terminals, pipes, ports and sockets as the user (see as).
type account struct {
	cfg  *Config
	name string
	// switches is set if processes need other ids than the agent's own.
	switches bool
	uid, gid int
	agents   *agentSockets
}

// newAccounts returns the accounts of a server, by name.
func newAccounts(cfg *Config, log *slog.Logger) map[string]*account {
	user := &account{cfg: cfg, name: cfg.Environment.User, switches: cfg.RootLogin, uid: cfg.UID, gid: cfg.GID}
	user.agents = &agentSockets{dir: cfg.RuntimeDir, owner: user, log: log}
	accounts := map[string]*account{user.name: user}
	if cfg.RootLogin {
		// The ids are set even though the agent is root: it also has the group of
		// the pod's volumes, and root's processes do not need that group.
		root := &account{cfg: cfg, name: rootName, switches: true}
		dir := filepath.Join(filepath.Dir(cfg.RuntimeDir), ".devserver-agent-"+rootName)
		root.agents = &agentSockets{dir: dir, owner: root, log: log}
		accounts[rootName] = root
	}
	return accounts
}

// home returns the account's home directory. The user's home comes from the
// configuration and not from passwd, so that the user can still log in after
// root has broken that file.
func (a *account) home() string {
	if a.name == a.cfg.Environment.User {
		return a.cfg.Environment.Home
	}
	if home, _ := a.passwdEntry(); filepath.IsAbs(home) {
		return home
	}
	return "/root"
}

// inHome resolves a path from a client. A relative path starts at the home
// directory, as every session does.
func (a *account) inHome(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(a.home(), path)
}

// passwdEntry returns the account's home and shell from passwd, or empty
// strings if the file or the entry does not exist. It reads the file each time:
// the file is small, and root may edit it, which takes effect at the next login.
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

// maxGroups is the kernel's limit for a process.
const maxGroups = 65536

// groups returns the account's own group and every group of the server's group
// file that lists it. "usermod --append --groups docker dev" therefore takes
// effect at the next login.
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

// attributes returns the attributes of a process that leads its own kernel
// session and has the account's ids.
func (a *account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if a.switches {
		attributes.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: a.groups()}
	}
	return attributes
}
