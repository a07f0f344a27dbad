// Package apiserver gives the tests of a package one real API server with the CRDs of
// DevServer. It runs only the controllers that a test starts: StatefulSets create no pods,
// and deleted namespaces stay.
//
//	func TestMain(m *testing.M) { os.Exit(apiserver.Run(m)) }
//
//	func TestSomething(t *testing.T) {
//		c := apiserver.Client(t)
//		ns := apiserver.Namespace(t)
//		…
//	}
package apiserver

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/config/crd"
)

// assetsVariable names the folder with the binaries etcd and kube-apiserver.
const assetsVariable = "KUBEBUILDER_ASSETS"

// startTimeout is far longer than a start usually takes, because the tests of many
// packages may start API servers at once on a small machine.
const startTimeout = 2 * time.Minute

var (
	running *envtest.Environment
	// Run replaces start. Without Run, nothing would stop the server.
	start = func() (*rest.Config, error) {
		return nil, errors.New("this package's TestMain must call apiserver.Run, which stops the API server after the last test")
	}
)

// Run runs the package's tests and returns the exit code for os.Exit. The API
// server is started when the first test asks for it, and stopped at the end.
func Run(m *testing.M) int {
	start = sync.OnceValues(startServer)
	code := m.Run()
	if running != nil {
		if err := running.Stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stopping the API server: %v\n", err)
			return max(code, 1)
		}
	}
	return code
}

// Config returns the admin's configuration for the package's API server.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	cfg, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return rest.CopyConfig(cfg)
}

// Client returns a client without a cache that refuses unknown and duplicate
// fields, as kubectl does.
func Client(t testing.TB) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(Config(t), client.Options{
		Scheme:          Scheme(t),
		FieldValidation: metav1.FieldValidationStrict,
	})
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	return c
}

// Scheme returns a new scheme with DevServer's types and Kubernetes' own.
func Scheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, devserverv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatalf("registering types: %v", err)
		}
	}
	return scheme
}

// Namespace creates a namespace for one test and returns its name. It exists until the
// API server stops, because only a controller could remove it.
func Namespace(t testing.TB) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := Client(t).Create(t.Context(), ns); err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	return ns.Name
}

func startServer() (*rest.Config, error) {
	// Without a logger, controller-runtime prints a long warning.
	log.SetLogger(logr.Discard())
	assets := os.Getenv(assetsVariable)
	if assets == "" {
		return nil, fmt.Errorf("%s is not set: run the tests with make test, or set it to a folder with etcd and kube-apiserver", assetsVariable)
	}
	crds, err := crd.All()
	if err != nil {
		return nil, err
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		CRDs:                     crds,
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  startTimeout,
	}
	cfg, err := env.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting an API server from %s=%s: %w", assetsVariable, assets, err), env.Stop())
	}
	running = env
	// With client-go's default limits, tests with many objects are slow.
	cfg.QPS, cfg.Burst = 1000, 2000
	return cfg, nil
}
