// Package debian installs the packages that a local cluster needs from the machine.
package debian

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"devserver.io/devserver/local/internal/process"
	"devserver.io/devserver/local/internal/progress"
)

// Build are the packages that building the programs requires: runc needs C.
var Build = []string{"gcc", "libc6-dev", "libseccomp-dev", "pkg-config"}

// Node are the packages that running a node requires.
var Node = []string{
	"iproute2", "nftables", "containernetworking-plugins", // the node's network
	"util-linux", "mount", // the kubelet calls mount
	"xfsprogs", // formats and grows volumes, and gives copies a new UUID
}

// Server are the packages that building server images requires.
var Server = []string{"mmdebstrap"}

// Foreign are the packages that building server images for other architectures requires.
var Foreign = []string{"qemu-user-static", "arch-test"}

// Shell has the SSH client for users and tests.
var Shell = []string{"openssh-client"}

// Ensure installs those of the packages that are missing, and reports which.
func Ensure(ctx context.Context, r *progress.Reporter, log string, packages ...string) error {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		return elsewhere(packages)
	}
	// It fails if it does not know a package. Then the package is missing.
	out, _ := exec.CommandContext(ctx, "dpkg-query", append([]string{"-W", "-f", "${Package} ${db:Status-Status}\n"}, packages...)...).Output()
	missing := missing(packages, string(out))
	if len(missing) == 0 {
		return nil
	}
	r.Say("Installing Debian packages: %s", strings.Join(missing, " "))
	step := r.Start("install packages")
	err := install(ctx, log, missing)
	step.End(err)
	if err != nil {
		return fmt.Errorf("install %s: %w; the log is %s and ends with:\n%s", strings.Join(missing, " "), err, log, process.Tail(log, 10))
	}
	return nil
}

// missing compares packages with dpkg-query's lines of package and state.
func missing(packages []string, listing string) []string {
	lines := strings.Split(listing, "\n")
	return slices.DeleteFunc(slices.Clone(packages), func(p string) bool {
		return slices.Contains(lines, p+" installed")
	})
}

func install(ctx context.Context, log string, packages []string) error {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return err
	}
	out, err := os.Create(log)
	if err != nil {
		return err
	}
	defer out.Close()
	apt := func(args ...string) error {
		// Another apt may be running.
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = out, out
		return cmd.Run()
	}
	args := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	if apt(args...) == nil {
		return nil
	}
	// The package lists may be missing, as in a fresh container, or outdated.
	if err := apt("update"); err != nil {
		return err
	}
	return apt(args...)
}

// elsewhere checks a machine without dpkg for the programs that a cluster needs.
func elsewhere(packages []string) error {
	programs := map[string]string{
		"gcc": "gcc", "pkg-config": "pkg-config", "iproute2": "ip", "nftables": "nft", "mmdebstrap": "mmdebstrap", "openssh-client": "ssh", "xfsprogs": "mkfs.xfs",
		"containernetworking-plugins": "/usr/lib/cni/ptp",
	}
	for _, p := range packages {
		if program, ok := programs[p]; ok {
			if _, err := exec.LookPath(program); err != nil {
				return fmt.Errorf("%s is missing and this machine has no apt: install the equivalent of Debian's package %s", program, p)
			}
		}
	}
	return nil
}
