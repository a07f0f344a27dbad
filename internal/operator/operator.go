// Package operator assembles the operator: one manager, its caches and its
// controllers.
package operator

import (
	"context"
	"fmt"
	"maps"
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
	"devserver.io/devserver/internal/brief"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/controller/devserver"
	"devserver.io/devserver/internal/operator/controller/flavor"
	"devserver.io/devserver/internal/operator/controller/gateway"
	"devserver.io/devserver/internal/operator/controller/user"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/mastersecret"
)

// Config is what the operator is started with; cmd/operator documents it.
type Config struct {
	REST      *rest.Config
	Namespace string

	AgentImage           string
	AgentImagePullPolicy corev1.PullPolicy
	DefaultImage         string
	SSHHost              string
	// Gateway names the gateway's Service, and what the operator cannot see of it.
	Gateway Gateway
	// Lifecycle is for what neither a DevServer nor its flavor says.
	Lifecycle lifecycle.Defaults

	LeaderElect            bool
	MetricsBindAddress     string
	HealthProbeBindAddress string
	// PprofBindAddress serves the profiles of net/http/pprof.
	PprofBindAddress string
	Log                    logr.Logger
}

// Gateway is what the operator is told about the gateway, if there is one.
type Gateway struct {
	Service       string
	HostKeySecret string
	Host          string
	Port          int
	// Only is set where boxes are to accept SSH from the gateway alone.
	Only bool
}

// leaseName is the Lease with which replicas elect their leader.
const leaseName = "devserver-operator"

// InCluster tells whether this process runs in a pod.
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
	// The API server's priority and fairness shares it out better than a rate
	// limit of our own, which would only make a restart slow.
	cfg.REST.QPS = -1
	// As Kubernetes' own controllers do: between pods of one cluster, to pack
	// and unpack every event of a watch costs more than to send it.
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
		// The gateway's pods wait for their key, and need not wait for a leader and
		// full caches too. What fails here the controller tries again, and says.
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

// Scheme knows the types that the operator reads and writes.
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
	config.Wrap(brief.Transport(devserver.Masks()))
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		Logger: cfg.Log,
		Cache: cache.Options{
			ByObject:         cacheObjects(devserver.CacheObjects(), user.CacheObjects(), flavor.CacheObjects()),
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

// cacheObjects merges what the controllers each want of the watch cache.
func cacheObjects(parts ...map[client.Object]cache.ByObject) map[client.Object]cache.ByObject {
	merged := map[client.Object]cache.ByObject{}
	for _, part := range parts {
		maps.Copy(merged, part)
	}
	return merged
}

func addControllers(ctx context.Context, mgr manager.Manager, cfg Config, master []byte) error {
	applier := &apply.Applier{Client: mgr.GetClient(), Live: mgr.GetAPIReader()}
	recorder := mgr.GetEventRecorder("devserver-operator")
	poller := agentclient.New(clock.RealClock{}, devserver.Connect)
	if err := mgr.Add(poller); err != nil {
		return fmt.Errorf("adding the poller of agents: %w", err)
	}
	boxes := &devserver.Reconciler{
		Client:   mgr.GetClient(),
		Live:     mgr.GetAPIReader(),
		Recorder: recorder,
		Clock:    clock.RealClock{},
		Applier:  applier,
		Delivery: devserver.NewDelivery(),
		Poller:   poller,
		Gateway:  devserver.NewGateway(),
		Config: devserver.Config{
			Master:               master,
			DefaultImage:         cfg.DefaultImage,
			AgentImage:           cfg.AgentImage,
			AgentImagePullPolicy: cfg.AgentImagePullPolicy,
			SSHHost:              cfg.SSHHost,
			Lifecycle:            cfg.Lifecycle,
		},
	}
	if cfg.Gateway.Only {
		boxes.Config.GatewayNamespace = cfg.Namespace
	}
	if err := addGateway(mgr, cfg, master, boxes.Gateway.Tell); err != nil {
		return err
	}
	if err := boxes.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting the DevServer controller up: %w", err)
	}
	if err := metrics.Registry.Register(&devserver.Metrics{Client: mgr.GetClient()}); err != nil {
		return fmt.Errorf("registering the metrics of DevServers: %w", err)
	}
	people := &user.Reconciler{Client: mgr.GetClient(), Recorder: recorder, Clock: clock.RealClock{}, Applier: applier}
	if err := people.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting the DevServerUser controller up: %w", err)
	}
	sizes := &flavor.Reconciler{Client: mgr.GetClient(), Clock: clock.RealClock{}}
	if err := sizes.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting the DevServerFlavor controller up: %w", err)
	}
	return nil
}

// addGateway looks after the gateway, or tells that there is none.
func addGateway(mgr manager.Manager, cfg Config, master []byte, tell func(*devv1.SSHGateway)) error {
	if cfg.Gateway.Service == "" {
		tell(nil)
		return nil
	}
	one := &gateway.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Tell: tell, Config: gatewayConfig(cfg, master)}
	if err := one.SetupWithManager(mgr); err != nil {
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
