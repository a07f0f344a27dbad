package report

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/hostile"
)

// TestNoStatusAttacksTheTerminal writes statuses of which every string is hostile.
func TestNoStatusAttacksTheTerminal(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := devv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	server, flavor, user := &devv1.DevServer{}, &devv1.DevServerFlavor{}, &devv1.DevServerUser{}
	for _, object := range []client.Object{server, flavor, user} {
		object.SetName("x")
		if object == client.Object(server) {
			object.SetNamespace("team")
		}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(server, flavor, user).WithStatusSubresource(server, flavor, user).Build()
	for _, object := range []client.Object{server, flavor, user} {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
	}
	write(t, c, server, &server.Status)
	write(t, c, flavor, &flavor.Status)
	write(t, c, user, &user.Status)
}

func write[S any](t *testing.T, c client.Client, object client.Object, current *S) {
	t.Helper()
	var want S
	hostile.Fill(&want)
	if written, err := Status(t.Context(), c, object, current, want); err != nil || !written {
		t.Fatalf("%T: written: %t, error: %v", object, written, err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatal(err)
	}
	texts := hostile.Strings(current)
	if len(texts) < 5 {
		t.Errorf("%T: its status has only the strings %q", object, texts)
	}
	for _, text := range texts {
		for _, fault := range hostile.Faults(text, "") {
			t.Errorf("%T: %s", object, fault)
		}
		if most := utf8.RuneCountInString(hostile.Text); utf8.RuneCountInString(text) > most {
			t.Errorf("%T: %q is longer than what it was made of", object, text)
		}
	}
	if written, err := Status(t.Context(), c, object, current, want); err != nil || written {
		t.Errorf("%T: the same status again: written: %t, error: %v", object, written, err)
	}
}

func TestPrintableSharesNothingThatItChanges(t *testing.T) {
	conditions := []metav1.Condition{{Type: "Ready", Message: "a\n b\x1b"}, {Type: "Active", Message: "fine"}}
	before := devv1.DevServerStatus{Conditions: conditions, StartedAt: &metav1.Time{Time: time.Unix(1, 0)}, SSH: &devv1.SSHStatus{Host: "h\x1b[2J"}}
	kept := before.DeepCopy()
	after := Printable(before)
	if !equality.Semantic.DeepEqual(&before, kept) {
		t.Errorf("the argument changed (-before +after):\n%s", cmp.Diff(*kept, before))
	}
	want := *kept.DeepCopy()
	want.Conditions[0].Message, want.SSH.Host = `a b…`, `h…`
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("other fields changed (-want +got):\n%s", diff)
	}
}

func TestNoEventAttacksTheTerminal(t *testing.T) {
	recorded := events.NewFakeRecorder(1)
	NewRecorder(recorded).Eventf(&corev1.Pod{}, nil, corev1.EventTypeWarning, "Reason", "Act", "its image %s", hostile.Text)
	text := <-recorded.Events
	for _, fault := range hostile.Faults(text, "") {
		t.Error(fault)
	}
}
