package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
)

// About is what every user may know about a cluster.
type About struct {
	Version string // v1.37.2
	// Ahead is how far this machine's clock is ahead of the API server's.
	Ahead time.Duration
	// Kinds are the resources of devserver.io/v1 that the cluster has.
	Kinds []string
}

// Ask asks the cluster. It makes plain HTTP requests, because the time is only in
// the header of a response.
func Ask(ctx context.Context, config *rest.Config) (About, error) {
	var about About
	plain, err := rest.HTTPClientFor(config)
	if err != nil {
		return about, fmt.Errorf("connecting to the cluster: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return about, fmt.Errorf("connecting to the cluster: %w", err)
	}
	var info version.Info
	header, err := get(ctx, plain, base.JoinPath("version").String(), &info)
	if err != nil {
		return about, err
	}
	about.Version = info.GitVersion
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		about.Ahead = time.Since(date).Truncate(time.Second)
	}
	group := devserverv1.GroupVersion
	var resources metav1.APIResourceList
	if _, err := get(ctx, plain, base.JoinPath("apis", group.Group, group.Version).String(), &resources); err != nil && !apierrors.IsNotFound(err) {
		return about, err
	}
	for _, r := range resources.APIResources {
		if !strings.Contains(r.Name, "/") {
			about.Kinds = append(about.Kinds, r.Name)
		}
	}
	return about, nil
}

// get reads JSON from the API server.
func get(ctx context.Context, plain *http.Client, url string, into any) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := plain.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, apierrors.NewGenericServerResponse(response.StatusCode, "get", devserverv1.GroupVersion.WithResource("").GroupResource(), "", response.Status, 0, false)
	}
	return response.Header, json.NewDecoder(response.Body).Decode(into)
}

// DefaultClassAnnotation is "true" on the cluster's default StorageClass.
const DefaultClassAnnotation = "storageclass.kubernetes.io/is-default-class"

// OperatorName is the name of the operator's Deployment, and of its label
// app.kubernetes.io/name.
const OperatorName = "devserver-operator"

// Operator is an installed operator.
type Operator struct {
	Namespace, Version string
	Ready              int32 // ready pods
}

// Operators are the operators in the cluster, which should have one. hidden is set
// if the user may not see them.
func Operators(ctx context.Context, c client.Client) (found []Operator, hidden bool, err error) {
	var all appsv1.DeploymentList
	err = c.List(ctx, &all, client.MatchingLabels{"app.kubernetes.io/name": OperatorName})
	if apierrors.IsForbidden(err) {
		return nil, true, nil
	}
	for _, d := range all.Items {
		if d.Name == OperatorName {
			found = append(found, Operator{d.Namespace, d.Labels["app.kubernetes.io/version"], d.Status.ReadyReplicas})
		}
	}
	return found, false, err
}
