// Package plane runs a control plane for a measurement: etcd, kube-apiserver and
// kube-controller-manager on loopback, with all files in one temporary folder. It requires
// neither root nor a node or a network.
package plane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"devserver.io/devserver/config/crd"
)

// services is the range of cluster IPs, which has room for more than 20,000.
const services = "10.96.0.0/14"

// patience is how long a part may take to start or to stop on a busy machine.
const patience = 2 * time.Minute

// Plane is a running control plane.
type Plane struct {
	// Dir holds all files of the control plane. Stop removes it.
	Dir string
	// Admin is the client configuration of an administrator.
	Admin *rest.Config
	// Audit is the audit log, with one line for each call of the audited user.
	Audit string
	// Flags are the controller manager's flags that affect its speed.
	Flags []string

	assets  string
	base    envtest.ControlPlane
	manager *Process
}

// Start starts a control plane from the binaries in the folder assets, with an
// audit log of what the user audited does. address is the machine's, which is
// published as the API server's.
func Start(ctx context.Context, assets, audited string, address netip.Addr) (*Plane, error) {
	dir, err := os.MkdirTemp("", "devserver-bench-")
	if err != nil {
		return nil, err
	}
	p := &Plane{Dir: dir, Audit: filepath.Join(dir, "audit.log"), assets: assets}
	for _, step := range []func(context.Context) error{
		func(context.Context) error { return p.startServers(audited, address) },
		p.installCRDs,
		p.startManager,
	} {
		if err := errors.Join(ctx.Err(), step(ctx)); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	return p, nil
}

// Stop stops all processes and removes all files.
func (p *Plane) Stop() error {
	var failed error
	if p.manager != nil {
		failed = p.manager.Stop()
	}
	return errors.Join(failed, p.base.Stop(), os.RemoveAll(p.Dir))
}

// auditPolicy logs the calls of one user only. Logging all calls would cost the API server
// more than the calls that are measured.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: [%q]}
- {level: None}
`

func (p *Plane) startServers(audited string, address netip.Addr) error {
	policy := filepath.Join(p.Dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, fmt.Appendf(nil, auditPolicy, audited), 0o600); err != nil {
		return err
	}
	etcd := &envtest.Etcd{Path: filepath.Join(p.assets, "etcd"), DataDir: filepath.Join(p.Dir, "etcd"), StartTimeout: patience, StopTimeout: patience}
	// Ten thousand servers with all their revisions exceed the default of 2 GB.
	etcd.Configure().Set("quota-backend-bytes", "8589934592")
	server := &envtest.APIServer{Path: filepath.Join(p.assets, "kube-apiserver"), CertDir: filepath.Join(p.Dir, "apiserver"), StartTimeout: patience, StopTimeout: patience}
	if err := os.Mkdir(server.CertDir, 0o700); err != nil {
		return err
	}
	server.Configure().
		Set("advertise-address", address.String()).
		Set("service-cluster-ip-range", services).
		Set("audit-policy-file", policy).
		Set("audit-log-path", p.Audit).
		// Pods have the ServiceAccount of their namespace, as in any cluster.
		Disable("disable-admission-plugins")
	p.base.Etcd, p.base.APIServer = etcd, server
	if err := p.base.Start(); err != nil {
		return fmt.Errorf("starting etcd and the API server from %s: %w", p.assets, err)
	}
	admin, err := p.base.AddUser(envtest.User{Name: "bench", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return err
	}
	p.Admin = admin.Config()
	p.Admin.QPS = -1 // The measurement must not queue on this side.
	return nil
}

func (p *Plane) installCRDs(context.Context) error {
	crds, err := crd.All()
	if err != nil {
		return err
	}
	_, err = envtest.InstallCRDs(p.Admin, envtest.CRDInstallOptions{CRDs: crds, MaxTime: patience})
	return err
}

// startManager starts the controller manager as on DevServer's local cluster,
// with limits that let a thousand servers be made in seconds: with its defaults,
// 20 calls a second and 5 StatefulSets at a time, only they would be measured.
// It does not bind volumes. The stand-in for the nodes does, because the control plane has no
// provisioner.
func (p *Plane) startManager(ctx context.Context) error {
	kubeconfig, err := p.Kubeconfig("system:kube-controller-manager")
	if err != nil {
		return err
	}
	p.Flags = []string{
		"--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-statefulset-syncs=20",
		"--use-service-account-credentials=true",
		"--controllers=*,-persistentvolume-binder-controller,-persistentvolume-attach-detach-controller,-persistentvolume-expander-controller",
	}
	p.manager, err = Run(filepath.Join(p.Dir, "controller-manager.log"), nil, filepath.Join(p.assets, "kube-controller-manager"), append([]string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--secure-port=0", "--leader-elect=false",
		"--service-account-private-key-file=" + filepath.Join(p.base.APIServer.CertDir, "sa-signer.key"),
		"--service-cluster-ip-range=" + services,
	}, p.Flags...)...)
	return err
}

// Kubeconfig makes a user and returns the path of a kubeconfig for it.
func (p *Plane) Kubeconfig(user string, groups ...string) (string, error) {
	u, err := p.base.AddUser(envtest.User{Name: user, Groups: groups}, nil)
	if err != nil {
		return "", fmt.Errorf("making the user %s: %w", user, err)
	}
	text, err := u.KubeConfig()
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp(p.Dir, "kubeconfig-")
	if err != nil {
		return "", err
	}
	_, err = file.Write(text)
	return file.Name(), errors.Join(err, file.Close())
}

// Usage returns the resource usage of the control plane's processes so far, by name.
func (p *Plane) Usage() (map[string]Usage, error) {
	usage := map[string]Usage{}
	// envtest does not expose the process ids of etcd and kube-apiserver.
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		pid, err := childNamed(name)
		if err != nil {
			return nil, err
		}
		if usage[name], err = UsageOf(pid); err != nil {
			return nil, err
		}
	}
	return usage, nil
}
