package desired_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
)

// marker begins every text that the tenant of TestWhatTenantsWrite chooses.
const marker = "tenant-"

// fromTenant are the places in the operator's objects that have text from a DevServer,
// other than its name. docs/security.md says for each why it is harmless, or what
// restricts it.
var fromTenant = map[string]string{
	"Service.spec.type":               "the value policies.sshService.types",
	"Service.metadata.annotations[]":  "the value policies.sshService.annotations",
	"Service.metadata.annotations[]=": "the value policies.sshService.annotations",

	"Secret.data.authorized_keys": "who can log in to this server",

	"Secret.metadata.annotations[devserver.io/owner]=":                                "identity, which only this operator reads",
	"StatefulSet.metadata.annotations[devserver.io/owner]=":                           "identity, which only this operator reads",
	"StatefulSet.spec.template.metadata.annotations[devserver.io/owner]=":             "identity, which only this operator reads",
	"StatefulSet.spec.volumeClaimTemplates.metadata.annotations[devserver.io/owner]=": "identity, which only this operator reads",
	"StatefulSet.spec.template.metadata.annotations[devserver.io/settings]=":          "a digest of the spec, which only this operator reads",

	"StatefulSet.spec.template.spec.containers.image":                        "the flavor's allowedImages",
	"StatefulSet.spec.template.spec.containers.imagePullPolicy":              "the API's validation: one of three words",
	"StatefulSet.spec.template.spec.containers.env.name":                     "the environment of the user's own container",
	"StatefulSet.spec.template.spec.containers.env.value":                    "the environment of the user's own container",
	"StatefulSet.spec.template.spec.containers.volumeMounts.mountPath":       "the user's own container",
	"StatefulSet.spec.template.spec.imagePullSecrets.name":                   "Secrets of the namespace, which the node sends only to the registries that they name",
	"StatefulSet.spec.template.spec.volumes.image.reference":                 "the flavor's allowedImages",
	"StatefulSet.spec.template.spec.volumes.image.pullPolicy":                "the API's validation: one of three words",
	"StatefulSet.spec.template.spec.volumes.persistentVolumeClaim.claimName": "claims of the namespace, which users may create",
	"StatefulSet.spec.volumeClaimTemplates.spec.storageClassName":            "users may create claims of every class; a ResourceQuota restricts both",
	"StatefulSet.spec.volumeClaimTemplates.spec.dataSource.kind":             "the API's validation: a claim or a snapshot",
	"StatefulSet.spec.volumeClaimTemplates.spec.dataSource.name":             "claims and snapshots of the namespace that have the owner's annotation",
}

// TestWhatTenantsWrite: text from a DevServer is found in the objects of the operator only
// where it is known to be harmless or restricted. Other controllers act on objects, so
// each other place could give users what only the operator has rights for. Labels and
// annotations of the DevServer are not copied anywhere.
func TestWhatTenantsWrite(t *testing.T) {
	found := map[string]bool{}
	for _, home := range []func(*devv1.HomeSpec){
		func(h *devv1.HomeSpec) { h.ClaimName = "" },
		func(*devv1.HomeSpec) {},
	} {
		in := input(func(in *desired.Input) {
			d := in.DevServer
			fill(reflect.ValueOf(&d.Spec).Elem())
			home(d.Spec.Home)
			d.Labels, d.Annotations = map[string]string{marker + "key": marker}, map[string]string{marker + "key": marker}
			in.Image, in.AuthorizedKeys = d.Spec.Image, append([]string{d.Spec.SSH.PublicKey}, d.Spec.SSH.PublicKeys...)
		})
		for _, object := range objects(t, in) {
			text, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			var tree map[string]any
			if err := json.Unmarshal(text, &tree); err != nil {
				t.Fatal(err)
			}
			if secret, ok := tree["data"].(map[string]any); ok && tree["kind"] == "Secret" {
				decode(t, secret)
			}
			collect(tree, fmt.Sprint(tree["kind"]), found)
		}
	}
	want, got := slices.Sorted(maps.Keys(fromTenant)), slices.Sorted(maps.Keys(found))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("if users may write this, say in docs/security.md why (-listed +found):\n%s", diff)
	}
}

// fill sets every text in a value to one that begins with marker, and gives lists and maps
// one element.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case resource.Quantity, metav1.Time, metav1.Duration:
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(marker + strings.ToLower(v.Type().Name()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	}
}

// decode replaces the base64 in the data of a Secret.
func decode(t *testing.T, data map[string]any) {
	t.Helper()
	for key, value := range data {
		text, err := base64.StdEncoding.DecodeString(fmt.Sprint(value))
		if err != nil {
			t.Fatal(err)
		}
		data[key] = string(text)
	}
}

// collect adds the places of a value that have text of the tenant: fields by name, and the
// entries of labels and annotations by their key.
func collect(value any, path string, found map[string]bool) {
	switch v := value.(type) {
	case string:
		if strings.Contains(v, marker) {
			found[path] = true
		}
	case []any:
		for _, element := range v {
			collect(element, path, found)
		}
	case map[string]any:
		for key, element := range v {
			place := path + "." + key
			if strings.HasSuffix(path, "annotations") || strings.HasSuffix(path, "abels") {
				if strings.Contains(key, marker) {
					key = ""
					found[path+"[]"] = true
				}
				place = path + "[" + key + "]="
			}
			collect(element, place, found)
		}
	}
}
