// Package operator assembles the operator: one manager, its caches and its
// controllers.
package operator

import (
	"context"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/controller/devserver"
	"devserver.io/devserver/internal/operator/controller/flavor"
	"devserver.io/devserver/internal/operator/controller/gateway"
	"devserver.io/devserver/internal/operator/controller/user"
	"devserver.io/devserver/internal/operator/mastersecret"
	"devserver.io/devserver/internal/operator/report"
	"devserver.io/devserver/internal/operator/watchcache"
)

// Config has the operator's settings; the flags of cmd/operator document them.
type Config struct {
	REST      *rest.Config
	Namespace string

	// Servers has the settings of all servers. Run sets its Master and GatewayNamespace.
	Servers devserver.Config
	// Gateway describes the gateway; its zero value means that there is none.
	Gateway Gateway

	LeaderElect            bool
	MetricsBindAddress     string
	HealthProbeBindAddress string
	// PprofBindAddress serves the profiles of net/http/pprof.
	PprofBindAddress string
	Log              logr.Logger
}

// Gateway describes the gateway, if there is one.
type Gateway struct {
	Service       string
	HostKeySecret string
	Host          string
	Port          int
	// Only has servers accept SSH from the gateway alone.
	Only bool
}

// leaseName is the name of the Lease for leader election.
const leaseName = "devserver-operator"

// InCluster reports whether this process runs in a pod.
func InCluster() bool {
	_, err := os.Stat("/var/run/secrets/kubernetes.io/serviceaccount/token")
	return err == nil
}

// Run runs the operator until ctx ends.
func Run(ctx context.Context, cfg Config) error {
	ctrl.SetLogger(cfg.Log)
	scheme, err := Scheme()
	if err != nil {
		return err
	}
	// No rate limit of our own, which would only make a restart slow: the API
	// server's priority and fairness protects it better.
	cfg.REST.QPS = -1
	// As Kubernetes' own controllers do: within one cluster, compressing the
	// events of watches costs more than sending them.
	cfg.REST.DisableCompression = true

	direct, err := client.New(cfg.REST, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("connecting to the API server %s: %w", cfg.REST.Host, err)
	}
	master, err := mastersecret.Ensure(ctx, direct, cfg.Namespace)
	if err != nil {
		return err
	}
	if cfg.Gateway.Service != "" {
		// The gateway's pods wait for their host key: create it before this replica
		// is elected and its caches are filled. The controller repeats what fails
		// here, and reports it.
		_, _ = (&gateway.Reconciler{Client: direct, Live: direct, Config: gatewayConfig(cfg, master)}).HostKey(ctx)
	}
	mgr, err := NewManager(cfg, scheme)
	if err != nil {
		return err
	}
	if err := addControllers(ctx, mgr, cfg, master); err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the operator: %w", err)
	}
	return nil
}

// Scheme returns a scheme with the types that the operator reads and writes.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, devv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	return scheme, nil
}

// NewManager returns a manager with the operator's caches and endpoints.
func NewManager(cfg Config, scheme *runtime.Scheme) (manager.Manager, error) {
	config := rest.CopyConfig(cfg.REST)
	config.Wrap(apply.AnswerWithMetadata)
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		Logger: cfg.Log,
		Cache: cache.Options{
			ByObject:         watchcache.Objects(),
			DefaultTransform: cache.TransformStripManagedFields(),
		},
		Client: client.Options{Cache: &client.CacheOptions{
			// Secrets may be read by name, not listed: there is no cache of them.
			DisableFor:                      []client.Object{&corev1.Secret{}},
			EnableReadYourWritesConsistency: new(true),
		}},
		LeaderElection:                cfg.LeaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       cfg.Namespace,
		LeaderElectionReleaseOnCancel: true,
		Metrics:                       metricsserver.Options{BindAddress: cfg.MetricsBindAddress},
		HealthProbeBindAddress:        cfg.HealthProbeBindAddress,
		PprofBindAddress:              cfg.PprofBindAddress,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the operator for the API server %s: %w", cfg.REST.Host, err)
	}
	for _, add := range []func(string, healthz.Checker) error{mgr.AddHealthzCheck, mgr.AddReadyzCheck} {
		if err := add("ping", healthz.Ping); err != nil {
			return nil, fmt.Errorf("adding a health check: %w", err)
		}
	}
	return mgr, nil
}

func addControllers(ctx context.Context, mgr manager.Manager, cfg Config, master []byte) error {
	applier := &apply.Applier{Client: mgr.GetClient(), Live: mgr.GetAPIReader()}
	recorder := report.NewRecorder(mgr.GetEventRecorder("devserver-operator"))
	poller := agentclient.NewPoller(clock.RealClock{}, func(a agentclient.Address) (agentclient.Agent, error) { return agentclient.New(a) })
	if err := mgr.Add(poller); err != nil {
		return fmt.Errorf("adding the poller of agents: %w", err)
	}
	servers := &devserver.Reconciler{
		Client:   mgr.GetClient(),
		Live:     mgr.GetAPIReader(),
		Recorder: recorder,
		Clock:    clock.RealClock{},
		Applier:  applier,
		Poller:   poller,
		Gateway:  devserver.NewGateway(),
		Config:   cfg.Servers,
	}
	servers.Config.Master = master
	servers.Config.Agents.Namespace = cfg.Namespace
	if cfg.Gateway.Only {
		servers.Config.GatewayNamespace = cfg.Namespace
	}
	if err := addGateway(mgr, cfg, master, servers.Gateway.Set); err != nil {
		return err
	}
	if err := servers.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting the DevServer controller up: %w", err)
	}
	if err := metrics.Registry.Register(&devserver.Metrics{Client: mgr.GetClient()}); err != nil {
		return fmt.Errorf("registering the metrics of DevServers: %w", err)
	}
	users := &user.Reconciler{Client: mgr.GetClient(), Recorder: recorder, Clock: clock.RealClock{}, Applier: applier}
	if err := users.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting the DevServerUser controller up: %w", err)
	}
	flavors := &flavor.Reconciler{Client: mgr.GetClient(), Clock: clock.RealClock{}}
	if err := flavors.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting the DevServerFlavor controller up: %w", err)
	}
	return nil
}

// addGateway adds the controller of the gateway, or reports that there is no gateway.
func addGateway(mgr manager.Manager, cfg Config, master []byte, report func(*devv1.SSHGateway)) error {
	if cfg.Gateway.Service == "" {
		report(nil)
		return nil
	}
	controller := &gateway.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Report: report, Config: gatewayConfig(cfg, master)}
	if err := controller.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting the gateway's controller up: %w", err)
	}
	return nil
}

func gatewayConfig(cfg Config, master []byte) gateway.Config {
	return gateway.Config{
		Service: cfg.Gateway.Service, Namespace: cfg.Namespace, HostKeySecret: cfg.Gateway.HostKeySecret,
		Master: master, Host: cfg.Gateway.Host, Port: int32(cfg.Gateway.Port),
	}
}
