// Package cluster connects the end-to-end tests and the benchmark to the cluster that they run
// against. It has a client that reads, writes and watches, and functions that wait by watching
// instead of polling.
package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/go-logr/logr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	kruntime "k8s.io/apimachinery/pkg/runtime"

	v1 "devserver.io/devserver/api/v1"
)

// Cluster is a connection to a cluster with DevServer installed.
type Cluster struct {
	client.WithWatch
	Config     *rest.Config
	Kubeconfig string
}

// Connect opens the cluster that KUBECONFIG names.
func Connect() (*Cluster, error) {
	log.SetLogger(logr.Discard()) // the library's log is not a test result
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		return nil, errors.New("KUBECONFIG is not set: start the local cluster with \"make up\" and run export KUBECONFIG=$(make -s kubeconfig)")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig %s: %w", path, err)
	}
	// The client must not throttle the calls for many servers at once.
	config.QPS, config.Burst = 500, 1000
	scheme := kruntime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of %s: %w", path, err)
	}
	return &Cluster{WithWatch: c, Config: config, Kubeconfig: path}, nil
}

// Binary returns the path of one of the binaries that "make build" puts into bin/.
func Binary(name string) (string, error) {
	path := filepath.Join(Root(), "bin", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("bin/%s is missing: run \"make build\"", name)
	}
	return path, nil
}

// Root returns the root of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}
