// Command operator runs the DevServer operator. In a cluster, the chart sets its flags.
// Outside of a cluster, it uses KUBECONFIG and requires no flags.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // Schedules name time zones, and the image has no time zone files.

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator"
	"devserver.io/devserver/internal/operator/agentupdate"
	"devserver.io/devserver/internal/operator/controller/devserver"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/version"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "devserver-operator: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	cfg, err := parse(args)
	if err != nil {
		return err
	}
	if cfg.REST, err = ctrl.GetConfig(); err != nil {
		return fmt.Errorf("finding the cluster: %w; set KUBECONFIG, or pass --kubeconfig", err)
	}
	cfg.REST.UserAgent = "devserver-operator/" + version.Version
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return operator.Run(ctx, cfg)
}

func parse(args []string) (operator.Config, error) {
	var cfg operator.Config
	// controller-runtime registers --kubeconfig in the flag set of the program.
	flags := flag.CommandLine
	flags.Init("devserver-operator", flag.ContinueOnError)
	flags.StringVar(&cfg.Namespace, "namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), "devserver-system"), "`namespace` of the operator's master secret and leader election Lease")
	imageFlags(flags, &cfg.Servers)
	agentFlags(flags, &cfg.Servers.Agents)
	flags.StringVar(&cfg.Servers.SSHHost, "ssh-host", "", "host `name` in status.ssh for NodePorts (default: the address of the pod's node)")
	gatewayFlags(flags, &cfg.Gateway)
	serviceFlags(flags, &cfg.Servers.Services)
	flags.DurationVar(&cfg.Servers.Lifecycle.IdleTimeout, "idle-timeout", 0, "how `long` servers may be idle before they are suspended, if neither they nor their flavor set it; 0 for no limit")
	flags.DurationVar(&cfg.Servers.Lifecycle.TimeToLive, "time-to-live", 0, "how `long` servers run before they expire, if neither they nor their flavor set it; 0 for no limit")
	flags.BoolVar(&cfg.LeaderElect, "leader-elect", operator.InCluster(), "elect a leader among several replicas")
	flags.StringVar(&cfg.MetricsBindAddress, "metrics-bind-address", "0", "`address` of the metrics endpoint, such as :8080; 0 for none")
	flags.StringVar(&cfg.HealthProbeBindAddress, "health-probe-bind-address", "0", "`address` of /healthz and /readyz, such as :8081; 0 for none")
	flags.StringVar(&cfg.PprofBindAddress, "pprof-bind-address", "0", "`address` that serves Go's profiles under /debug/pprof/, such as localhost:6060; 0 for none")
	level := flags.String("log-level", "info", "lowest `level` to log: debug, info, warn or error")
	showVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	if *showVersion {
		fmt.Println(version.Version)
		return cfg, flag.ErrHelp
	}
	if flags.NArg() > 0 {
		return cfg, fmt.Errorf("unexpected argument %q: the operator accepts only flags", flags.Arg(0))
	}
	if err := errors.Join(completeImages(&cfg.Servers), checkGateway(cfg.Gateway), checkAgents(cfg.Servers.Agents), checkServices(cfg.Servers.Services)); err != nil {
		return cfg, err
	}
	for name, d := range map[string]time.Duration{"idle-timeout": cfg.Servers.Lifecycle.IdleTimeout, "time-to-live": cfg.Servers.Lifecycle.TimeToLive} {
		if d != 0 && d < time.Minute {
			return cfg, fmt.Errorf("--%s %s is less than a minute; 0 means no limit", name, d)
		}
	}
	var logLevel slog.Level
	if err := logLevel.UnmarshalText([]byte(*level)); err != nil {
		return cfg, fmt.Errorf("--log-level %q is not debug, info, warn or error", *level)
	}
	cfg.Log = logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: logLevel}))
	return cfg, nil
}

// loadedImage is the name of an image that "make up" loads onto the node of a local
// cluster. Without flags, the operator uses these images, so that a developer can run it
// outside of the cluster. Nodes never pull them: the domain in their names is no registry,
// and may belong to anyone.
func loadedImage(name string) string { return "devserver.io/" + name + ":" + version.Version }

func imageFlags(flags *flag.FlagSet, s *devserver.Config) {
	const loaded = "; default: the one that make up loads onto the node of a local cluster, which is never pulled"
	flags.StringVar(&s.AgentImage, "agent-image", "", "`image` of the agent, the SSH server in each server"+loaded)
	flags.StringVar((*string)(&s.AgentImagePullPolicy), "agent-image-pull-policy", "", "`when` nodes pull the image in --agent-image: Always, IfNotPresent or Never (default: Always for the tag latest, else IfNotPresent)")
	flags.StringVar(&s.DefaultImage, "default-image", "", "`image` of servers if neither they nor their flavor set one"+loaded)
}

// completeImages sets the images that no flag sets.
func completeImages(s *devserver.Config) error {
	switch s.AgentImagePullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		return fmt.Errorf("--agent-image-pull-policy %q is not Always, IfNotPresent or Never", s.AgentImagePullPolicy)
	}
	if s.AgentImage == "" {
		if s.AgentImagePullPolicy != "" {
			return errors.New("--agent-image-pull-policy requires --agent-image")
		}
		s.AgentImage, s.AgentImagePullPolicy = loadedImage("agent"), corev1.PullNever
	}
	if s.DefaultImage == "" {
		s.DefaultImage, s.DefaultImagePullPolicy = loadedImage("server"), corev1.PullNever
	}
	return nil
}

func agentFlags(flags *flag.FlagSet, a *devserver.Agents) {
	a.Pod = os.Getenv("POD_NAME")
	flags.StringVar((*string)(&a.Update.Mode), "agent-update", string(agentupdate.WhenIdle), "`when` running servers get a new version of the agent, which closes their SSH connections and ends none of their other processes: OnRestart, WhenIdle or Always")
	flags.DurationVar(&a.Update.Deadline, "agent-update-deadline", agentupdate.DefaultDeadline, "how `long` WhenIdle waits for a server's SSH sessions to end, from when the operator first saw the older version")
}

func checkAgents(a devserver.Agents) error {
	switch a.Update.Mode {
	case agentupdate.OnRestart, agentupdate.WhenIdle, agentupdate.Always:
	default:
		return fmt.Errorf("--agent-update %q is not OnRestart, WhenIdle or Always", a.Update.Mode)
	}
	if a.Update.Deadline < time.Minute {
		return fmt.Errorf("--agent-update-deadline %s is less than a minute", a.Update.Deadline)
	}
	return nil
}

func gatewayFlags(flags *flag.FlagSet, g *operator.Gateway) {
	flags.StringVar(&g.Service, "gateway-service", "", "`name` of the gateway's Service in the operator's namespace (default: no gateway)")
	flags.StringVar(&g.HostKeySecret, "gateway-host-key-secret", "", "`name` of the Secret with the gateway's host key (default: a key that the operator creates)")
	flags.StringVar(&g.Host, "gateway-host", "", "`name` or address by which users reach the gateway (default: that of its Service)")
	flags.IntVar(&g.Port, "gateway-port", 0, "`port` at which users reach the gateway (default: that of its Service)")
	flags.BoolVar(&g.Only, "gateway-only", false, "create a NetworkPolicy for each server, so that it accepts SSH only from the gateway")
}

func checkGateway(g operator.Gateway) error {
	switch {
	case g.Service == "" && g != (operator.Gateway{}):
		return errors.New("--gateway-host-key-secret, --gateway-host, --gateway-port and --gateway-only require --gateway-service")
	case g.Port < 0 || g.Port > 65535:
		return fmt.Errorf("--gateway-port %d: a port must be between 1 and 65535", g.Port)
	}
	return nil
}

func serviceFlags(flags *flag.FlagSet, s *policy.Services) {
	s.Types = policy.DefaultServiceTypes()
	flags.Var((*list[devv1.SSHServiceType])(&s.Types), "ssh-service-types", "`types` that spec.ssh.service of servers may have, separated by commas: NodePort, LoadBalancer, ClusterIP and None")
	flags.Var((*list[string])(&s.Annotations), "ssh-service-annotations", "`keys` of annotations that spec.ssh.service of servers may have, separated by commas (default: none)")
}

func checkServices(s policy.Services) error {
	all := []devv1.SSHServiceType{devv1.SSHServiceNodePort, devv1.SSHServiceLoadBalancer, devv1.SSHServiceClusterIP, devv1.SSHServiceNone}
	if len(s.Types) == 0 {
		return errors.New("--ssh-service-types requires at least one type")
	}
	for _, kind := range s.Types {
		if !slices.Contains(all, kind) {
			return fmt.Errorf("--ssh-service-types: %q is not NodePort, LoadBalancer, ClusterIP or None", kind)
		}
	}
	return nil
}

// list is a flag whose values are separated by commas.
type list[T ~string] []T

func (l *list[T]) String() string {
	words := make([]string, len(*l))
	for i, word := range *l {
		words[i] = string(word)
	}
	return strings.Join(words, ",")
}

func (l *list[T]) Set(text string) error {
	*l = nil
	for word := range strings.SplitSeq(text, ",") {
		if word != "" {
			*l = append(*l, T(word))
		}
	}
	return nil
}
