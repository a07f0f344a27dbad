// Package cluster connects a command to the Kubernetes cluster that the user's
// kubeconfig and flags name, and puts its errors into words.
package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/exit"
)

// Flags are the flags that say which cluster and namespace is meant, as in
// kubectl. They stand on client-go's clientcmd: cli-runtime's ConfigFlags would
// bring kustomize along, which doubles the program.
type Flags struct{ kubeconfig, context, namespace string }

// NewFlags returns flags that are not set.
func NewFlags() *Flags { return &Flags{} }

// AddTo makes the flags known to a command.
func (f *Flags) AddTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "path to the kubeconfig (default: KUBECONFIG, else ~/.kube/config)")
	flags.StringVar(&f.context, "context", "", "context of the kubeconfig to use")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "namespace to look in (default: the context's)")
}

func (f *Flags) loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: f.context}
	overrides.Context.Namespace = f.namespace
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
}

// Cluster is a connection to a cluster. Nothing is asked until it is used.
type Cluster struct {
	Client    client.WithWatch
	Namespace string // that is meant where none is named
}

// Connect finds the cluster.
func (f *Flags) Connect() (*Cluster, error) {
	loader := f.loader()
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	// One person's command, not a controller: no reason to hold it back.
	config.QPS, config.Burst = 100, 200
	c, err := client.NewWithWatch(config, client.Options{Scheme: Scheme(), Mapper: mapper()})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return &Cluster{Client: c, Namespace: namespace}, nil
}

// Scheme has the types that devctl reads and writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	// Neither can fail: the types are compiled in.
	_ = devserverv1.AddToScheme(scheme)
	_ = corev1.AddToScheme(scheme)
	_ = coordinationv1.AddToScheme(scheme)
	return scheme
}

// mapper knows the resources in advance, so that no command has to begin with
// discovering what the cluster has.
func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(devserverv1.GroupVersion.WithKind("DevServer"), meta.RESTScopeNamespace)
	m.Add(devserverv1.GroupVersion.WithKind("DevServerFlavor"), meta.RESTScopeRoot)
	m.Add(coordinationv1.SchemeGroupVersion.WithKind("Lease"), meta.RESTScopeNamespace)
	for _, kind := range []string{"Pod", "PersistentVolumeClaim", "Event"} {
		m.Add(corev1.SchemeGroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	return m
}

// Get reads one DevServer.
func Get(ctx context.Context, c client.Reader, namespace, name string) (*devserverv1.DevServer, error) {
	var ds devserverv1.DevServer
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &ds); err != nil {
		return nil, Explain(err, fmt.Sprintf("reading DevServer %s in namespace %s", name, namespace))
	}
	return &ds, nil
}

// Explain says what an error of the API server means for the user who was
// doing something, and gives it its exit code.
func Explain(err error, doing string) error {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status) && isMissingAPI(status.Status()):
		return fmt.Errorf("%s: this cluster has no DevServers: install the chart devserver-operator, or choose another cluster with --context", doing)
	case apierrors.IsNotFound(err):
		return exit.With(exit.NotFound, fmt.Errorf("%s: there is none: devctl list -A shows which there are", doing))
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return exit.With(exit.Refused, fmt.Errorf("%s: %w: ask the cluster's admin for access", doing, err))
	case apierrors.ReasonForError(err) == metav1.StatusReasonUnknown:
		return fmt.Errorf("%s: %w: check the cluster with kubectl cluster-info, or choose another with --context", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isMissingAPI tells a resource that the API server does not know from an
// object that is not there, which has a name.
func isMissingAPI(status metav1.Status) bool {
	return status.Reason == metav1.StatusReasonNotFound && (status.Details == nil || status.Details.Name == "")
}
