package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
)

// ask asks the cluster. The first that it does not answer ends it.
func (f *facts) ask(ctx context.Context, to *cluster.Cluster) {
	f.server, f.namespace = to.Config.Host, to.Namespace
	if err := f.askVersion(ctx, to.Config); err != nil {
		f.unreachable = err.Error()
		return
	}
	f.user, _ = cluster.Me(ctx, to.Client) // Without it all else can be asked.
	for _, look := range []func(context.Context, client.Client) error{
		f.askOperators, f.askFlavors, f.askClasses, f.askServices, f.askRights,
	} {
		if err := look(ctx, to.Client); err != nil {
			f.unreachable = cluster.Explain(err, "asking the cluster").Error()
			return
		}
	}
}

// askVersion asks for the version, the time, and what there is of ours: by plain
// requests, since of the time only their header tells.
func (f *facts) askVersion(ctx context.Context, config *rest.Config) error {
	plain, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	var info version.Info
	header, err := get(ctx, plain, base.JoinPath("version").String(), &info)
	if err != nil {
		return err
	}
	f.version = info.GitVersion
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		f.ahead = time.Since(date).Truncate(time.Second)
	}
	var resources metav1.APIResourceList
	if _, err := get(ctx, plain, base.JoinPath("apis", devserverv1.GroupVersion.Group, devserverv1.GroupVersion.Version).String(), &resources); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	for _, r := range resources.APIResources {
		if !strings.Contains(r.Name, "/") {
			f.kinds = append(f.kinds, r.Name)
		}
	}
	return nil
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

// list reads all of a kind. It tells whether they are hidden from this person;
// of a kind that the cluster does not know there are none.
func list(ctx context.Context, c client.Client, all client.ObjectList, scope ...client.ListOption) (hidden bool, err error) {
	err = c.List(ctx, all, scope...)
	if apierrors.IsForbidden(err) {
		return true, nil
	}
	return false, client.IgnoreNotFound(err)
}

const operatorName = "devserver-operator"

func (f *facts) askOperators(ctx context.Context, c client.Client) (err error) {
	var all appsv1.DeploymentList
	f.operators.hidden, err = list(ctx, c, &all, client.MatchingLabels{"app.kubernetes.io/name": operatorName})
	for _, d := range all.Items {
		if d.Name == operatorName {
			f.operators.items = append(f.operators.items, operator{d.Namespace, d.Labels["app.kubernetes.io/version"], d.Status.ReadyReplicas})
		}
	}
	return err
}

func (f *facts) askFlavors(ctx context.Context, c client.Client) (err error) {
	var all devserverv1.DevServerFlavorList
	f.flavors.hidden, err = list(ctx, c, &all)
	f.flavors.items = all.Items
	return err
}

func (f *facts) askClasses(ctx context.Context, c client.Client) (err error) {
	var all storagev1.StorageClassList
	f.classes.hidden, err = list(ctx, c, &all)
	for _, s := range all.Items {
		isDefault := s.Annotations["storageclass.kubernetes.io/is-default-class"] == "true"
		f.classes.items = append(f.classes.items, class{s.Name, isDefault, s.AllowVolumeExpansion != nil && *s.AllowVolumeExpansion})
	}
	return err
}

// askServices finds the gateway and the node ports in one list.
func (f *facts) askServices(ctx context.Context, c client.Client) error {
	var all corev1.ServiceList
	hidden, err := list(ctx, c, &all)
	f.gateways.hidden, f.nodePorts.hidden = hidden, hidden
	for _, s := range all.Items {
		if s.Labels["app.kubernetes.io/name"] == operatorName && s.Labels["app.kubernetes.io/component"] == "gateway" {
			f.gateways.items = append(f.gateways.items, s.Namespace+"/"+s.Name)
		}
		for _, port := range s.Spec.Ports {
			if port.NodePort != 0 {
				f.nodePorts.items = append(f.nodePorts.items, port.NodePort)
			}
		}
	}
	return err
}

func (f *facts) askRights(ctx context.Context, c client.Client) error {
	for _, r := range rights {
		review := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: f.namespace, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource,
		}}}
		if r.resource == "devserverflavors" {
			review.Spec.ResourceAttributes.Namespace = ""
		}
		if err := c.Create(ctx, &review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			f.denied = append(f.denied, r)
		}
	}
	return nil
}
