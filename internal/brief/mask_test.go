package brief

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What is named is left whole, wherever it is, and nothing else.
func TestOnly(t *testing.T) {
	metadata := metav1.ObjectMeta{
		Name: "a", UID: "1", ResourceVersion: "2", Labels: map[string]string{"managedFields": "x"},
		OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: "a"}}, Finalizers: []string{"f"},
	}
	status := corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "c", Ready: true}}}
	for name, tc := range map[string]struct {
		fields []string
		want   corev1.Pod
	}{
		"all":                    {nil, *pod("a", false)},
		"a part":                 {[]string{"metadata"}, corev1.Pod{ObjectMeta: metadata}},
		"parts":                  {[]string{"metadata", "status"}, corev1.Pod{ObjectMeta: metadata, Status: status}},
		"a part of a part":       {[]string{"metadata.uid", "spec.nodeName"}, corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "1"}, Spec: corev1.PodSpec{NodeName: "node"}}},
		"a part of each":         {[]string{"spec.containers.name"}, corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}}},
		"a part, then whole":     {[]string{"status.phase", "status"}, corev1.Pod{Status: status}},
		"whole, then a part":     {[]string{"status", "status.phase"}, corev1.Pod{Status: status}},
		"what is not there":      {[]string{"spec.overhead"}, corev1.Pod{}},
		"a part of none":         {[]string{"spec.initContainers.name"}, corev1.Pod{}},
		"without a name in Go":   {[]string{"spec.volumes.volumeSource.secret"}, corev1.Pod{}},
		"managed fields by name": {[]string{"metadata.name", "metadata.managedFields"}, *managedOnly()},
	} {
		tc.want.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		if diff := cmp.Diff(&tc.want, left(t, newCutter(Only(&corev1.Pod{}, tc.fields...)), event(t, "a", true))); diff != "" {
			t.Errorf("%s: not what is left (-want +got):\n%s", name, diff)
		}
	}
}

func managedOnly() *corev1.Pod {
	whole := pod("a", true)
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", ManagedFields: whole.ManagedFields}}
}

// A message becomes the string beside it, and nothing else changes, whether the
// string lies in a message that is there or in one that is not.
func TestRaw(t *testing.T) {
	spec, err := pod("a", false).Spec.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	container, err := pod("a", false).Spec.Containers[0].Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		message, text string
		want          func(*corev1.Pod)
	}{
		"beside metadata": {"spec", "metadata.generateName", func(p *corev1.Pod) { p.GenerateName, p.Spec = string(spec), corev1.PodSpec{} }},
		"a long way": {"spec.containers", "securityContext.seLinuxOptions.level", func(p *corev1.Pod) {
			p.Spec.Containers = nil
			p.Spec.SecurityContext = &corev1.PodSecurityContext{SELinuxOptions: &corev1.SELinuxOptions{Level: string(container)}}
		}},
		"what is not there": {"spec.dnsConfig", "subdomain", func(*corev1.Pod) {}},
	} {
		want := pod("a", false)
		tc.want(want)
		if diff := cmp.Diff(want, left(t, newCutter(Raw(&corev1.Pod{}, tc.message, tc.text)), event(t, "a", true))); diff != "" {
			t.Errorf("%s: not what is left (-want +got):\n%s", name, diff)
		}
	}
}

// A name that is none is a mistake in this program.
func TestWithoutSuchAField(t *testing.T) {
	for name, tc := range map[string]struct {
		mask func()
		says string
	}{
		"another case":    {func() { Only(&corev1.Pod{}, "spec.nodename") }, "has no field"},
		"in a string":     {func() { Only(&corev1.Pod{}, "spec.nodeName.x") }, "has no field"},
		"no name":         {func() { Only(&corev1.Pod{}, "") }, "has no field"},
		"no such message": {func() { Raw(&corev1.Pod{}, "specs", "metadata.generateName") }, "has no field"},
		"no such string":  {func() { Raw(&corev1.Pod{}, "spec", "generateName") }, "has no field"},
		"no string":       {func() { Raw(&corev1.Pod{}, "spec", "metadata") }, "is no string"},
	} {
		func() {
			defer func() {
				if said, is := recover().(string); !is || !strings.Contains(said, tc.says) {
					t.Errorf("%s: it is said: %q", name, said)
				}
			}()
			tc.mask()
		}()
	}
}
