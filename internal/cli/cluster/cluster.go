// Package cluster connects a command to the Kubernetes cluster that the user's
// kubeconfig and flags name, and explains its errors.
package cluster

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
)

// Flags are the flags that choose the cluster and the namespace, as in kubectl.
// They use client-go's clientcmd, because cli-runtime's ConfigFlags depends on
// kustomize, which doubles the size of the program.
type Flags struct{ kubeconfig, context, namespace string }

// NewFlags returns flags without values.
func NewFlags() *Flags { return &Flags{} }

// AddTo makes the flags known to a command.
func (f *Flags) AddTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "path to the kubeconfig, or several as in KUBECONFIG (default ~/.kube/config)")
	flags.StringVar(&f.context, "context", "", "context of the kubeconfig to use")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "namespace to look in (default: the context's)")
}

func (f *Flags) loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if paths := filepath.SplitList(f.kubeconfig); len(paths) > 1 {
		rules.Precedence = paths
	} else {
		rules.ExplicitPath = f.kubeconfig
	}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: f.context}
	overrides.Context.Namespace = f.namespace
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
}

// Contexts are the names of the kubeconfig's contexts, and the namespaces in
// them. Both are empty if the kubeconfig cannot be read.
func (f *Flags) Contexts() (contexts, namespaces []string) {
	config, err := f.loader().RawConfig()
	if err != nil {
		return nil, nil
	}
	for name, context := range config.Contexts {
		contexts = append(contexts, name)
		if context.Namespace != "" {
			namespaces = append(namespaces, context.Namespace)
		}
	}
	slices.Sort(contexts)
	slices.Sort(namespaces)
	return contexts, slices.Compact(namespaces)
}

// Cluster is a connection to a cluster. Creating it sends no request.
type Cluster struct {
	Client    client.WithWatch
	Config    *rest.Config
	Namespace string // of the flags, else of the context, else "default"
	// Chosen is set if a flag or the kubeconfig names the namespace, so it is not
	// just the default.
	Chosen bool
	// Context is the name of the kubeconfig's context; "" inside a cluster.
	Context string
	// kubeconfig is the path, or the list of paths, unless it is the default.
	kubeconfig string
}

// Words are the flags that name the same cluster later and in another environment:
// an editor that is started from a desktop has neither KUBECONFIG nor the context
// that is current now. Empty flags are left out.
func (c *Cluster) Words() (words []string) {
	if c.kubeconfig != "" {
		words = append(words, "--kubeconfig="+c.kubeconfig)
	}
	if c.Context != "" {
		words = append(words, "--context="+c.Context)
	}
	return words
}

// Connect finds the cluster.
func (f *Flags) Connect() (*Cluster, error) {
	loader := f.loader()
	namespace, overridden, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	kubeconfig, err := absolute(cmp.Or(f.kubeconfig, os.Getenv(clientcmd.RecommendedConfigPathEnvVar)))
	if err != nil {
		return nil, err
	}
	// The usual limits are for controllers, not for the command of one user.
	config.QPS, config.Burst = 100, 200
	c, err := client.NewWithWatch(config, client.Options{Scheme: Scheme(), Mapper: mapper()})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return &Cluster{
		Client: c, Config: config, Namespace: namespace,
		Chosen:  overridden || namespace != metav1.NamespaceDefault,
		Context: cmp.Or(f.context, raw.CurrentContext), kubeconfig: kubeconfig,
	}, nil
}

// CoreAPI returns a client for the core API group. It serves requests that
// controller-runtime's client does not support: streams and proxies. client-go's typed
// client would add the types of all API groups to the binary.
func CoreAPI(config *rest.Config) (rest.Interface, error) {
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/api", &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(Scheme()).WithoutConversion()
	return rest.RESTClientFor(config)
}

// absolute makes a list of paths independent of the current folder.
func absolute(list string) (string, error) {
	var paths []string
	for _, path := range filepath.SplitList(list) {
		path, err := filepath.Abs(path)
		if err != nil {
			return "", fmt.Errorf("finding the kubeconfig: %w", err)
		}
		paths = append(paths, path)
	}
	return strings.Join(paths, string(filepath.ListSeparator)), nil
}

// Run connects to the cluster and calls do. Ctrl-C ends the context of do, whose
// error is returned as usual.
func (f *Flags) Run(cmd *cobra.Command, do func(context.Context, *Cluster) error) error {
	to, err := f.Connect()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return do(ctx, to)
}

// RunE is the RunE of a command that only has to connect to the cluster and call
// do, as Run does.
func (f *Flags) RunE(do func(ctx context.Context, to *Cluster, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return f.Run(cmd, func(ctx context.Context, to *Cluster) error { return do(ctx, to, args) })
	}
}

// Scheme has the types that devctl reads and writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		devserverv1.AddToScheme, corev1.AddToScheme, appsv1.AddToScheme, coordinationv1.AddToScheme,
		storagev1.AddToScheme, certificatesv1.AddToScheme, authenticationv1.AddToScheme, authorizationv1.AddToScheme,
	} {
		_ = add(scheme) // It cannot fail for types that are compiled in.
	}
	return scheme
}

// mapper knows the resources in advance, so commands need no discovery requests.
func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for version, scopes := range map[schema.GroupVersion]struct{ namespaced, root []string }{
		devserverv1.GroupVersion:            {namespaced: []string{"DevServer"}, root: []string{"DevServerFlavor", "DevServerUser"}},
		coordinationv1.SchemeGroupVersion:   {namespaced: []string{"Lease"}},
		corev1.SchemeGroupVersion:           {namespaced: []string{"Pod", "PersistentVolumeClaim", "Event", "ResourceQuota", "Service"}, root: []string{"Namespace", "Node"}},
		appsv1.SchemeGroupVersion:           {namespaced: []string{"Deployment"}},
		storagev1.SchemeGroupVersion:        {root: []string{"StorageClass"}},
		certificatesv1.SchemeGroupVersion:   {root: []string{"CertificateSigningRequest"}},
		authenticationv1.SchemeGroupVersion: {root: []string{"SelfSubjectReview"}},
		authorizationv1.SchemeGroupVersion:  {root: []string{"SelfSubjectAccessReview"}},
	} {
		for _, kind := range scopes.namespaced {
			m.Add(version.WithKind(kind), meta.RESTScopeNamespace)
		}
		for _, kind := range scopes.root {
			m.Add(version.WithKind(kind), meta.RESTScopeRoot)
		}
	}
	return m
}

// Get reads one DevServer.
func Get(ctx context.Context, c client.Reader, namespace, name string) (*devserverv1.DevServer, error) {
	var ds devserverv1.DevServer
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &ds)
	switch {
	case err == nil:
		return &ds, nil
	case isMissingObject(err):
		return nil, missing(ctx, c, namespace, name)
	}
	return nil, Explain(err, fmt.Sprintf("reading DevServer %s in namespace %s", name, namespace))
}
