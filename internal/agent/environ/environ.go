// Package environ makes the environment variables of a session. It begins with
// those that the server's image and pod set, and is the same for a command, a
// login shell and an editor's remote server.
package environ

import (
	"path"
	"slices"
	"strings"
)

// defaultPath is the PATH of container runtimes for an image that sets none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// PathVariable carries the image's PATH to the login profile, which restores it
// after /etc/profile has replaced it. LibraryPathVariable does the same for
// LD_LIBRARY_PATH.
const (
	PathVariable        = "DEVSERVER_PATH"
	LibraryPathVariable = "DEVSERVER_LD_LIBRARY_PATH"
)

// KeepAwakeVariable has the path of the folder whose files keep the server awake:
// see package keepawake.
const KeepAwakeVariable = "DEVSERVER_KEEP_DIR"

// Shells are the paths at which a login shell is searched, best first. Debug
// variants of distroless images have /busybox/sh.
var Shells = []string{"/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/bin/sh", "/usr/bin/sh", "/busybox/sh"}

// Server is what the environments of all sessions of a server have in common.
type Server struct {
	// Inherited is the agent's own environment: the image's ENV and the pod's.
	Inherited []string
	// User is the account that logs in, and Home its home directory.
	User, Home string
	// CgroupDir is the folder of the container's control group, which has its CPU
	// limit.
	CgroupDir string
	// AgentDir is the folder of the agent's program. It comes last in PATH, so that
	// the program can be called by its name and hides no other.
	AgentDir string
	// KeepAwakeDir is the value of KeepAwakeVariable.
	KeepAwakeDir string
}

// Vars are environment variables by name.
type Vars map[string]string

// Session returns the environment in which a session with the given login shell
// starts.
func (s Server) Session(shell string) Vars {
	vars := make(Vars, len(s.Inherited)+16)
	for _, entry := range s.Inherited {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" && !internal(name) {
			vars[name] = value
		}
	}
	vars["HOME"] = s.Home
	vars["USER"] = s.User
	vars["LOGNAME"] = s.User
	vars["SHELL"] = shell
	if vars["PATH"] == "" {
		vars["PATH"] = defaultPath
	}
	if s.AgentDir != "" && !slices.Contains(strings.Split(vars["PATH"], ":"), s.AgentDir) {
		vars["PATH"] += ":" + s.AgentDir
	}
	if s.KeepAwakeDir != "" {
		vars[KeepAwakeVariable] = s.KeepAwakeDir
	}
	if vars["LANG"] == "" && vars["LC_ALL"] == "" {
		vars["LANG"] = "C.UTF-8"
	}
	vars[PathVariable] = vars["PATH"]
	if vars["LD_LIBRARY_PATH"] != "" {
		vars[LibraryPathVariable] = vars["LD_LIBRARY_PATH"]
	}
	s.limitThreads(vars)
	return vars
}

// internal reports whether a variable describes the agent's own process, or its
// pod to clients of the Kubernetes API.
func internal(name string) bool {
	switch name {
	case "PWD", "OLDPWD", "SHLVL", "_", "MAIL":
		return true
	}
	// Kubernetes sets these in every container. A server has no credentials for the
	// API server, and a kubectl that finds these variables uses them.
	return strings.HasPrefix(name, "KUBERNETES_SERVICE_") || name == "KUBERNETES_PORT" ||
		strings.HasPrefix(name, "KUBERNETES_PORT_")
}

// List returns the variables as NAME=VALUE, sorted.
func (v Vars) List() []string {
	list := make([]string, 0, len(v))
	for name, value := range v {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// accepted are patterns of the variables that a client may set. Variables that
// decide which program or library runs (PATH, LD_*, BASH_ENV, GIT_SSH_COMMAND) are
// not among them: those come from the image and the pod.
var accepted = []string{
	"LANG", "LC_*", "TZ",
	"COLORTERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "NO_COLOR", // what the terminal can do
	"GIT_PROTOCOL", // lets git fetch and push use its newer protocol
}

// maxClientValue bounds the value of a variable that a client sets, in bytes.
const maxClientValue = 4 << 10

// ClientMaySet reports whether a client may set a variable to a value.
func ClientMaySet(name, value string) bool {
	if len(value) > maxClientValue || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
		return false
	}
	return slices.ContainsFunc(accepted, func(pattern string) bool {
		matches, err := path.Match(pattern, name)
		return err == nil && matches
	})
}
