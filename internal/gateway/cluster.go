package gateway

import (
	"context"
	"encoding/json"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// apiConfig finds the API server.
func apiConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	// Every write is requested by a user, and at most once per server.
	config.QPS, config.Burst = 100, 200
	return config, nil
}

// scheme has the types that the gateway reads and writes.
func scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	// Neither can fail: the types are compiled in.
	_ = devserverv1.AddToScheme(scheme)
	_ = coordinationv1.AddToScheme(scheme)
	return scheme
}

// mapper knows the resources in advance, so that no discovery is necessary.
func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(devserverv1.GroupVersion.WithKind("DevServer"), meta.RESTScopeNamespace)
	m.Add(devserverv1.GroupVersion.WithKind("DevServerUser"), meta.RESTScopeRoot)
	m.Add(coordinationv1.SchemeGroupVersion.WithKind("Lease"), meta.RESTScopeNamespace)
	return m
}

// leaseEditor returns a function that edits Leases of servers. It does not read the
// Lease first: an admission policy restricts the gateway to those of DevServers.
func leaseEditor(config *rest.Config) (editLease, error) {
	c, err := crclient.New(config, crclient.Options{Scheme: scheme(), Mapper: mapper()})
	if err != nil {
		return nil, fmt.Errorf("preparing to wake DevServers: %w", err)
	}
	return func(ctx context.Context, name types.NamespacedName, spec map[string]any) error {
		patch, err := json.Marshal(map[string]any{"spec": spec})
		if err != nil {
			return fmt.Errorf("editing the Lease of %s: %w", address(name), err)
		}
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: objects.LeaseName(name.Name)}}
		return c.Patch(ctx, lease, crclient.RawPatch(types.MergePatchType, patch))
	}, nil
}
