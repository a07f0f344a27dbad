package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// AnnotationHash is the hash of what was applied. It shows, even after a restart of
// the operator, that a field is no longer desired: comparing the desired fields alone
// would miss it.
const AnnotationHash = "devserver.io/desired-hash"

// target is one object to apply.
type target struct {
	config runtime.ApplyConfiguration
	meta   *metav1ac.ObjectMetaApplyConfiguration
	gvk    schema.GroupVersionKind
	scheme *runtime.Scheme
	// name and namespace are kept here, because the answer overwrites config.
	namespace, name string
	hash            string
}

func newTarget(config runtime.ApplyConfiguration, scheme *runtime.Scheme) (*target, error) {
	t := &target{config: config, scheme: scheme}
	switch c := config.(type) {
	case *appsv1ac.StatefulSetApplyConfiguration:
		t.meta, t.gvk = c.ObjectMetaApplyConfiguration, schema.FromAPIVersionAndKind(*c.APIVersion, *c.Kind)
	case *corev1ac.ServiceApplyConfiguration:
		t.meta, t.gvk = c.ObjectMetaApplyConfiguration, schema.FromAPIVersionAndKind(*c.APIVersion, *c.Kind)
	case *corev1ac.SecretApplyConfiguration:
		t.meta, t.gvk = c.ObjectMetaApplyConfiguration, schema.FromAPIVersionAndKind(*c.APIVersion, *c.Kind)
	case *corev1ac.NamespaceApplyConfiguration:
		t.meta, t.gvk = c.ObjectMetaApplyConfiguration, schema.FromAPIVersionAndKind(*c.APIVersion, *c.Kind)
	case *corev1ac.ResourceQuotaApplyConfiguration:
		t.meta, t.gvk = c.ObjectMetaApplyConfiguration, schema.FromAPIVersionAndKind(*c.APIVersion, *c.Kind)
	case *corev1ac.LimitRangeApplyConfiguration:
		t.meta, t.gvk = c.ObjectMetaApplyConfiguration, schema.FromAPIVersionAndKind(*c.APIVersion, *c.Kind)
	case *networkingv1ac.NetworkPolicyApplyConfiguration:
		t.meta, t.gvk = c.ObjectMetaApplyConfiguration, schema.FromAPIVersionAndKind(*c.APIVersion, *c.Kind)
	case *rbacv1ac.RoleBindingApplyConfiguration:
		t.meta, t.gvk = c.ObjectMetaApplyConfiguration, schema.FromAPIVersionAndKind(*c.APIVersion, *c.Kind)
	default:
		return nil, fmt.Errorf("bug: objects of the type %T cannot be applied", config)
	}
	t.name = *t.meta.Name
	t.namespace = ptr.Deref(t.meta.Namespace, "")

	text, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", t, err)
	}
	sum := sha256.Sum256(text)
	t.hash = hex.EncodeToString(sum[:16])
	t.meta.WithAnnotations(map[string]string{AnnotationHash: t.hash})
	return t, nil
}

func (t *target) String() string { return title(t.gvk.Kind, t.namespace, t.name) }

// title names an object in messages.
func title(kind, namespace, name string) string {
	if namespace == "" {
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

func (t *target) key() types.NamespacedName {
	return types.NamespacedName{Namespace: t.namespace, Name: t.name}
}

// cached tells whether objects of this kind are in the watch cache. Secrets
// are not: the operator may not list them.
func (t *target) cached() bool {
	return t.gvk != corev1.SchemeGroupVersion.WithKind("Secret")
}

// merges tells whether an unforced apply may succeed on another owner's object. A
// Service, StatefulSet or Secret has fields that conflict; the limits of a quota, or
// the labels of a namespace, merge.
func (t *target) merges() bool {
	switch t.gvk.Kind {
	case "Namespace", "ResourceQuota", "LimitRange", "RoleBinding":
		return true
	}
	return false
}

// empty returns a new object of the target's kind to read into.
func (t *target) empty() client.Object {
	object, err := t.scheme.New(t.gvk)
	if err != nil {
		panic(fmt.Sprintf("bug: the scheme does not know %s", t.gvk)) // newTarget lists the kinds
	}
	return object.(client.Object) //nolint:forcetypeassert // all kinds here are API objects
}

// withUID makes the apply fail if the object was replaced by another of the same
// name.
func (t *target) withUID(uid types.UID) *target {
	t.meta.UID = &uid
	return t
}

// within tells whether live has everything that is desired.
func (t *target) within(live client.Object) (bool, error) {
	want, have, err := t.encode(t.config, live)
	if err != nil {
		return false, err
	}
	// The cache leaves these two out of typed objects.
	have["apiVersion"], have["kind"] = want["apiVersion"], want["kind"]
	return subset(want, have), nil
}

// metadataWithin is within for the metadata alone.
func (t *target) metadataWithin(live client.Object) (bool, error) {
	want, have, err := t.encode(t.meta, live.(metav1.ObjectMetaAccessor).GetObjectMeta()) //nolint:forcetypeassert // every API object is one
	return err == nil && subset(want, have), err
}

// encode returns the desired and the live object as JSON values.
func (t *target) encode(wanted, live any) (want, have map[string]any, err error) {
	if want, err = runtime.DefaultUnstructuredConverter.ToUnstructured(wanted); err != nil {
		return nil, nil, fmt.Errorf("encoding %s: %w", t, err)
	}
	if have, err = runtime.DefaultUnstructuredConverter.ToUnstructured(live); err != nil {
		return nil, nil, fmt.Errorf("encoding the live %s: %w", t, err)
	}
	return want, have, nil
}
