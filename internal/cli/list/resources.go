package list

import (
	"cmp"
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/objects"
)

// resources are the figures of one server for wide output.
type resources struct{ cpu, memory, gpu, home figure }

// figure is what a server uses of one resource, which only its agent knows, and what
// it was granted.
type figure struct{ used, granted string }

// cell is "used/granted", or what was granted if the usage is not known.
func (f figure) cell() string {
	if f.used == "" {
		return output.OrNone(f.granted)
	}
	return f.used + "/" + cmp.Or(f.granted, "?")
}

// grants returns what each server was granted: by its pod, if the user may read
// pods and it has one, otherwise by its flavor.
func grants(ctx context.Context, c client.Reader, scope []client.ListOption, list *devserverv1.DevServerList) map[types.NamespacedName]resources {
	var pods corev1.PodList
	byName := map[types.NamespacedName]*corev1.Pod{}
	if c.List(ctx, &pods, append(scope, client.MatchingLabels{objects.LabelName: objects.Name})...) == nil {
		for i := range pods.Items {
			byName[client.ObjectKeyFromObject(&pods.Items[i])] = &pods.Items[i]
		}
	}
	all, err := flavors.List(ctx, c)
	if err != nil {
		all = &devserverv1.DevServerFlavorList{} // This user may not read them.
	}
	granted := map[types.NamespacedName]resources{}
	for i := range list.Items {
		ds := &list.Items[i]
		var r resources
		if pod := byName[types.NamespacedName{Namespace: ds.Namespace, Name: objects.PodName(ds.Name)}]; pod != nil {
			r = ofPod(pod)
		} else if flavor := flavors.Find(all.Items, cluster.FlavorName(ds)); flavor != nil {
			r = ofRequirements(flavor.Spec.Resources)
		}
		r.home.granted = ds.Spec.PersistentHomeSize.String()
		if ds.Status.Home != nil && ds.Status.Home.Capacity != "" {
			r.home.granted = ds.Status.Home.Capacity
		}
		granted[client.ObjectKeyFromObject(ds)] = r
	}
	return granted
}

func ofPod(pod *corev1.Pod) resources {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == objects.ServerContainer {
			return ofRequirements(pod.Spec.Containers[i].Resources)
		}
	}
	return resources{}
}

// ofRequirements takes the limits, which are the most that a server can use.
func ofRequirements(r corev1.ResourceRequirements) resources {
	limit := func(name corev1.ResourceName) string {
		for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
			if quantity, ok := list[name]; ok {
				return quantity.String()
			}
		}
		return ""
	}
	var gpu string
	for name, quantity := range r.Limits {
		if strings.HasSuffix(string(name), "/gpu") && !quantity.IsZero() {
			gpu = quantity.String()
		}
	}
	return resources{cpu: figure{granted: limit(corev1.ResourceCPU)}, memory: figure{granted: limit(corev1.ResourceMemory)}, gpu: figure{granted: gpu}}
}
