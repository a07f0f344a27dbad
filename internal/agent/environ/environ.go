// Package environ makes the environment of a session: what the box's image
// and its pod set, the same for a command, a login shell and an editor's
// remote server.
package environ

import (
	"path"
	"slices"
	"strings"
)

// defaultPath is what container runtimes use for an image that sets no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// PathVariable carries the image's PATH to the login profile, which puts it
// back after /etc/profile has reset PATH; LibraryPathVariable does the same.
const (
	PathVariable        = "DEVSERVER_PATH"
	LibraryPathVariable = "DEVSERVER_LD_LIBRARY_PATH"
)

// KeepVariable names the folder in which files ask for the box to be kept.
const KeepVariable = "DEVSERVER_KEEP_DIR"

// Shells are where a login shell is looked for, best first. /busybox/sh is
// where debug variants of distroless images have theirs.
var Shells = []string{"/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/bin/sh", "/usr/bin/sh", "/busybox/sh"}

// Box is the environment that all sessions of a box begin with.
type Box struct {
	// Inherited is the agent's own environment: the image's ENV and the pod's.
	Inherited []string
	// User and Home are the box's only user and its home.
	User, Home string
	// CgroupDir is where the container's CPU limit is found.
	CgroupDir string
	// AgentDir is where the agent's own program is, for those who call it by
	// name. It comes last in PATH, so that it hides nothing.
	AgentDir string
	// KeepDir is the value of KeepVariable.
	KeepDir string
}

// Vars is an environment under construction.
type Vars map[string]string

// Session gives the environment that a session with the given login shell
// begins with.
func (b Box) Session(shell string) Vars {
	vars := make(Vars, len(b.Inherited)+16)
	for _, entry := range b.Inherited {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" && !internal(name) {
			vars[name] = value
		}
	}
	vars["HOME"] = b.Home
	vars["USER"] = b.User
	vars["LOGNAME"] = b.User
	vars["SHELL"] = shell
	if vars["PATH"] == "" {
		vars["PATH"] = defaultPath
	}
	if b.AgentDir != "" && !slices.Contains(strings.Split(vars["PATH"], ":"), b.AgentDir) {
		vars["PATH"] += ":" + b.AgentDir
	}
	if b.KeepDir != "" {
		vars[KeepVariable] = b.KeepDir
	}
	if vars["LANG"] == "" && vars["LC_ALL"] == "" {
		vars["LANG"] = "C.UTF-8"
	}
	vars[PathVariable] = vars["PATH"]
	if vars["LD_LIBRARY_PATH"] != "" {
		vars[LibraryPathVariable] = vars["LD_LIBRARY_PATH"]
	}
	b.limitThreads(vars)
	return vars
}

// internal reports variables that describe the agent's own process, not the box.
func internal(name string) bool {
	switch name {
	case "PWD", "OLDPWD", "SHLVL", "_", "MAIL":
		return true
	}
	// Kubernetes sets these in every container. A box has no credentials for
	// the API server, and a kubectl that finds these insists on using them.
	return strings.HasPrefix(name, "KUBERNETES_SERVICE_") || name == "KUBERNETES_PORT" ||
		strings.HasPrefix(name, "KUBERNETES_PORT_")
}

// List gives the variables in the form that exec takes, in order.
func (v Vars) List() []string {
	list := make([]string, 0, len(v))
	for name, value := range v {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// accepted are the variables that a client may set. What a program is loaded
// from (PATH, LD_*) or started by (BASH_ENV, GIT_SSH_COMMAND) is not among
// them: the box's administrators decide that.
var accepted = []string{
	"LANG", "LC_*", "TZ", // how people read
	"COLORTERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "NO_COLOR", // what their terminal can do
	"GIT_PROTOCOL", // lets git fetch and push use its newer protocol
}

const maxClientValue = 4 << 10

// ClientMaySet reports whether a client's wish for a variable is granted.
func ClientMaySet(name, value string) bool {
	if len(value) > maxClientValue || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
		return false
	}
	return slices.ContainsFunc(accepted, func(pattern string) bool {
		matches, err := path.Match(pattern, name)
		return err == nil && matches
	})
}
