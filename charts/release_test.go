package charts_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/testing/apiserver"
)

// TestReleaseTakenOver carries out what make up does in a cluster where an
// earlier version has installed the release devserver-operator: every object that
// both releases have stays, and Helm's uninstall deletes only what is left over.
func TestReleaseTakenOver(t *testing.T) {
	const namespace = "devserver-system"
	c := apiserver.Client(t)
	kubeconfig := writeKubeconfig(t)
	run := func(args ...string) {
		t.Helper()
		if args[0] != "uninstall" {
			args = append(args, withRegistry)
		}
		if out, err := helm(t, append(args, "--namespace="+namespace, "--kubeconfig="+kubeconfig)...); err != nil {
			t.Fatalf("helm %s: %v\n%s", args[0], err, out)
		}
	}
	objects := parse(t, render(t, "--set=crds.install=false", "--set=podDisruptionBudget.enabled=true"))
	t.Cleanup(func() {
		for _, object := range objects {
			_ = c.Delete(context.Background(), object)
		}
	})
	// The test's API server has the CRDs already.
	run("install", "devserver-operator", "devserver-operator", "--create-namespace", "--take-ownership", "--set=podDisruptionBudget.enabled=true")

	ds := devServer(apiserver.Namespace(t), "alice@example.com", "")
	master := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "devserver-master", Namespace: namespace}}
	for _, object := range []client.Object{ds, master} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Delete(context.Background(), object) })
	}
	want := uids(t)

	var deployments appsv1.DeploymentList
	if err := c.List(t.Context(), &deployments, client.InNamespace(namespace), client.MatchingLabels{"app.kubernetes.io/instance": "devserver-operator"}); err != nil {
		t.Fatal(err)
	}
	if len(deployments.Items) != 2 {
		t.Fatalf("%d Deployments have the release's label, want the operator's and the gateway's", len(deployments.Items))
	}
	for _, d := range deployments.Items {
		if err := c.Delete(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
	}
	run("upgrade", "--install", "devserver", "devserver-operator", "--take-ownership")
	run("uninstall", "devserver-operator")

	if diff := cmp.Diff(want, uids(t)); diff != "" {
		t.Errorf("objects changed (-before +after):\n%s", diff)
	}
	for _, object := range []client.Object{ds, master} {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil || object.GetDeletionTimestamp() != nil {
			t.Errorf("%T %s: %v", object, object.GetName(), err)
		}
	}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "devserver-operator", Namespace: namespace}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(budget), budget); !apierrors.IsNotFound(err) {
		t.Errorf("the PodDisruptionBudget, which only the former release has, still exists: %v", err)
	}
	// The new release has everything, and can be upgraded as any other.
	run("upgrade", "devserver", "devserver-operator")
}

// uids are the UIDs of the chart's objects in the cluster, by kind and name, except
// for the Deployments.
func uids(t *testing.T) map[string]types.UID {
	t.Helper()
	found := map[string]types.UID{}
	for _, object := range parse(t, render(t)) {
		if object.GetKind() == "Deployment" {
			continue
		}
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(object.GroupVersionKind())
		if err := apiserver.Client(t).Get(t.Context(), client.ObjectKeyFromObject(object), live); err != nil {
			t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
			continue
		}
		found[object.GetKind()+" "+object.GetName()] = live.GetUID()
	}
	return found
}

func writeKubeconfig(t *testing.T) string {
	t.Helper()
	config := apiserver.Config(t)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	kubeconfig := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"test": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}
	if err := clientcmd.WriteToFile(kubeconfig, file); err != nil {
		t.Fatal(err)
	}
	return file
}
