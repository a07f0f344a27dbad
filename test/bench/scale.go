package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/version"
	"devserver.io/devserver/test/bench/plane"
	"devserver.io/devserver/test/bench/standin"
)

// nodePorts is the number of node ports in a cluster by default.
const nodePorts = 2768

// scale is a control plane without nodes, with the operator and many servers.
type scale struct {
	o          options
	r          *report
	plane      *plane.Plane
	chart      *chart
	c          client.WithWatch
	audit      *audit
	standIn    *plane.Process
	operator   *operator
	kubeconfig string // the operator's
}

// measureScale creates many servers at once, then leaves the operator idle, then restarts it.
// No pods run: a stand-in plays the nodes.
func measureScale(ctx context.Context, o options, r *report) error {
	if !o.noNodePorts && o.servers > nodePorts {
		return fmt.Errorf("%d servers need as many node ports, and there are %d: add --no-node-ports", o.servers, nodePorts)
	}
	if o.assets == "" {
		return errors.New("KUBEBUILDER_ASSETS is not set: run \"make bench ARGS=scale\", which sets it")
	}
	return measureOnIsland(ctx, r)
}

// runScale measures in the current network namespace.
func runScale(ctx context.Context, o options, r *report) error {
	log.SetLogger(logr.Discard()) // the library's log is not a result
	o.servers = cmp.Or(o.servers, 1000)
	s := &scale{o: o, r: r}
	err := s.start(ctx)
	if err == nil {
		err = s.measure(ctx)
	}
	return errors.Join(err, s.stop())
}

// start starts everything that must run before the first server is created.
func (s *scale) start(ctx context.Context) (err error) {
	fmt.Fprintln(os.Stderr, "scale: starting a control plane")
	if s.chart, err = renderChart(ctx, s.o.assets); err != nil {
		return err
	}
	if s.plane, err = plane.Start(ctx, s.o.assets, operatorUser, standin.Pods.Addr()); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1.AddToScheme(scheme)); err != nil {
		return err
	}
	if s.c, err = client.NewWithWatch(s.plane.Admin, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := s.chart.install(ctx, s.c); err != nil {
		return err
	}
	if s.kubeconfig, err = s.plane.Kubeconfig(operatorUser, operatorGroups...); err != nil {
		return err
	}
	if s.standIn, err = startStandIn(s.plane, s.o); err != nil {
		return err
	}
	if err := s.startOperator(ctx); err != nil {
		return err
	}
	if s.audit, err = openAudit(s.plane.Audit); err != nil {
		return err
	}
	return s.describe()
}

// startOperator starts the operator and waits until it leads. It does nothing if the bare loop
// is measured.
func (s *scale) startOperator(ctx context.Context) (err error) {
	if s.o.bare {
		return nil
	}
	if s.operator, err = startOperator(s.plane, s.chart, s.kubeconfig); err != nil {
		return err
	}
	return s.operator.until(ctx, s.operator.leads)
}

// stop stops all processes and removes all files.
func (s *scale) stop() error {
	var failed error
	if s.operator != nil && s.operator.Process != nil {
		failed = errors.Join(failed, s.operator.Stop())
	}
	if s.standIn != nil {
		failed = errors.Join(failed, s.standIn.Stop())
	}
	if s.plane != nil {
		failed = errors.Join(failed, s.plane.Stop())
	}
	return failed
}

// describe adds the conditions of the measurement to the report.
func (s *scale) describe() error {
	d, err := discovery.NewDiscoveryClientForConfig(s.plane.Admin)
	if err != nil {
		return err
	}
	kubernetes, err := d.ServerVersion()
	if err != nil {
		return err
	}
	reports := "1 report"
	if s.o.kubelet {
		reports = "5 reports"
	}
	maker := fmt.Sprintf("operator %s with %s", version.Version, strings.Join(s.chart.args("…", "…"), " "))
	if s.o.bare {
		maker = "no operator"
	}
	s.r.Setting = append(s.r.Setting,
		fmt.Sprintf("scale: %d servers at once; %s; Kubernetes %s", s.o.servers, maker, kubernetes.GitVersion),
		"scale: etcd without fsync; kube-controller-manager "+strings.Join(s.plane.Flags, " "),
		fmt.Sprintf("scale: no kubelets: a stand-in binds claim and pod, and writes %s to each pod until it is Ready", reports))
	return nil
}

func (s *scale) measure(ctx context.Context) error {
	service := v1.SSHServiceNodePort
	if s.o.noNodePorts {
		service = v1.SSHServiceClusterIP
	}
	servers, err := newCrowd(ctx, s.c, s.o.servers, service, s.lifecycle())
	if err != nil {
		return err
	}
	phases := []func(context.Context, *crowd) error{s.create, s.leaveAlone, s.restart}
	if s.o.agents {
		phases = []func(context.Context, *crowd) error{s.create, s.polls}
	}
	if s.o.bare {
		phases = []func(context.Context, *crowd) error{s.bare}
	}
	for _, phase := range phases {
		if err := phase(ctx, servers); err != nil {
			return err
		}
	}
	return nil
}
