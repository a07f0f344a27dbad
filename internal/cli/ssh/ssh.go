package ssh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/box"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/prospect"
)

// sshFlagsWithValue are the flags of ssh(1) that take a value.
const sshFlagsWithValue = "BbcDEeFIiJLlmOoPpQRSWw"

// ownFlag returns the first of the flags behind the name that the user meant
// for devctl. ssh would take -n for something else and run the namespace as a
// command.
func ownFlag(args []string) (string, bool) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--" || len(arg) < 2 || arg[0] != '-':
			return "", false // from here on it is the command
		case strings.HasPrefix(arg, "--"), strings.HasPrefix(arg, "-n"):
			return arg, true
		case strings.ContainsRune(sshFlagsWithValue, rune(arg[len(arg)-1])) && !strings.ContainsAny(arg[1:len(arg)-1], sshFlagsWithValue):
			i++ // its value
		}
	}
	return "", false
}

// Prepare returns the ssh command line for a DevServer, with the flags and the
// command in rest, and writes the file that it reads the host key from.
func Prepare(ctx context.Context, c client.Reader, namespace, name string, rest []string) ([]string, error) {
	ds, err := cluster.Get(ctx, c, namespace, name)
	if err != nil {
		return nil, err
	}
	if err := reachable(ds); err != nil {
		return nil, exit.With(exit.Refused, err)
	}
	file, err := writeKnownHosts(ds)
	if err != nil {
		return nil, err
	}
	return commandLine(ds, file, rest), nil
}

// reachable says why nobody can log in to ds now, if so.
func reachable(ds *devserverv1.DevServer) error {
	if ds.Status.Phase != devserverv1.PhaseRunning {
		phase, cause := "new", "the operator has not looked at it yet"
		if ds.Status.Phase != "" {
			phase = string(ds.Status.Phase)
		}
		if ready := meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionReady); ready != nil {
			cause = fmt.Sprintf("%s: %s", ready.Reason, ready.Message)
		}
		if prospect.IsAsleep(ds) {
			return fmt.Errorf("DevServer %s is %s: %s", ds.Name, phase, cause)
		}
		return fmt.Errorf("DevServer %s is %s: %s: to wait for it: devctl wait %s -n %s", ds.Name, phase, strings.TrimSuffix(cause, "."), ds.Name, ds.Namespace)
	}
	if ds.Status.SSH == nil || ds.Status.SSH.Host == "" || ds.Status.SSH.Port == 0 {
		return fmt.Errorf("DevServer %s has no address to connect to (spec.ssh.service.type is %s): forward a port with kubectl -n %s port-forward pod/%s-0 2222:%d",
			ds.Name, ds.Spec.SSH.Service.Type, ds.Namespace, ds.Name, box.SSHPort)
	}
	return nil
}

// commandLine is what to run. The options come first, since ssh takes the
// first value that it sees: neither the user's flags nor ~/.ssh/config turn
// the check of the host key off.
func commandLine(ds *devserverv1.DevServer, knownHosts string, rest []string) []string {
	return slices.Concat([]string{
		"ssh",
		"-o", "HostKeyAlias=" + alias(ds),
		"-o", "UserKnownHostsFile=" + quote(knownHosts),
		"-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=yes",
		"-o", "UpdateHostKeys=no",
		"-p", strconv.Itoa(int(ds.Status.SSH.Port)),
		// With the user in front, a host can never be taken for a flag.
		box.User + "@" + ds.Status.SSH.Host,
	}, rest)
}

// alias is the name by which the host key is known.
func alias(ds *devserverv1.DevServer) string { return ds.Name + "." + ds.Namespace }

// quote writes a file name for an ssh option, in which spaces separate names
// and % starts a token.
func quote(file string) string {
	return `"` + strings.ReplaceAll(file, "%", "%%") + `"`
}

// hostKey is the key that ds must prove to have.
func hostKey(ds *devserverv1.DevServer) (ssh.PublicKey, error) {
	if ds.Status.SSH.HostKey == "" {
		return nil, errors.New("the cluster does not say its host key")
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(ds.Status.SSH.HostKey))
	if err != nil {
		return nil, fmt.Errorf("the cluster says a host key that cannot be read: %w", err)
	}
	return key, nil
}
