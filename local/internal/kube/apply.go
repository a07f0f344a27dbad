package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"sigs.k8s.io/yaml"
)

// kinds maps the kinds that the local cluster applies to their paths in the API.
var kinds = map[string]struct {
	prefix     string
	namespaced bool
	resource   string
}{
	"Namespace":          {"/api/v1", false, "namespaces"},
	"Service":            {"/api/v1", true, "services"},
	"EndpointSlice":      {"/apis/discovery.k8s.io/v1", true, "endpointslices"},
	"ClusterRole":        {"/apis/rbac.authorization.k8s.io/v1", false, "clusterroles"},
	"ClusterRoleBinding": {"/apis/rbac.authorization.k8s.io/v1", false, "clusterrolebindings"},
	"StorageClass":       {"/apis/storage.k8s.io/v1", false, "storageclasses"},
}

// Apply applies every document of a manifest, server-side.
func (c *Client) Apply(ctx context.Context, manifest []byte) error {
	for document := range bytes.SplitSeq(manifest, []byte("\n---\n")) {
		var object struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
		}
		if err := yaml.Unmarshal(document, &object); err != nil {
			return fmt.Errorf("read a manifest: %w", err)
		}
		kind, ok := kinds[object.Kind]
		if !ok {
			return fmt.Errorf("cannot apply objects of kind %q", object.Kind)
		}
		path := kind.prefix
		if kind.namespaced {
			path += "/namespaces/" + object.Metadata.Namespace
		}
		path += "/" + kind.resource + "/" + object.Metadata.Name
		if err := c.apply(ctx, path, document, object.Kind); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.Kind, object.Metadata.Name, err)
		}
	}
	return nil
}

// apply applies one object. A StorageClass whose fields change is deleted and created
// again: its fields are immutable, and its volumes do not depend on it.
func (c *Client) apply(ctx context.Context, path string, document []byte, kind string) error {
	send := func() error {
		_, err := c.call(ctx, http.MethodPatch, path+"?fieldManager=devserver-local&force=true", "application/apply-patch+yaml", document)
		return err
	}
	err := send()
	var refused *StatusError
	if kind != "StorageClass" || !errors.As(err, &refused) || refused.Code != http.StatusUnprocessableEntity {
		return err
	}
	if err := c.Delete(ctx, path); err != nil {
		return err
	}
	return send()
}
