package list

import (
	"bytes"
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

// An API server that has forgotten what changed is asked for all again, and what
// belongs to others is not shown.
func TestWatchGoesOnAfterWhatWasForgotten(t *testing.T) {
	objects := servers()
	objects[1].Namespace = objects[0].Namespace
	later := objects[1].DeepCopy()
	later.Name, later.ResourceVersion = "later", "9"
	foreign := objects[0].DeepCopy()
	foreign.Name, foreign.ResourceVersion = "foreign", "9"
	ctx, cancel := context.WithCancel(t.Context())
	watches := 0
	list := func(ctx context.Context, c client.WithWatch, list client.ObjectList, scope ...client.ListOption) error {
		defer list.SetResourceVersion("5") // It is empty in the stand-in.
		return c.List(ctx, list, scope...)
	}
	funcs := interceptor.Funcs{List: list, Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
		watches++
		changes := watch.NewFakeWithOptions(watch.FakeOptions{ChannelSize: 2})
		if watches == 1 {
			status := apierrors.NewResourceExpired("too old").ErrStatus
			changes.Error(&status)
			return changes, nil
		}
		changes.Add(foreign)
		changes.Add(later)
		return changes, nil
	}}
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(&objects[1]).WithInterceptorFuncs(funcs).Build()
	out := &until{text: "/later", then: cancel}
	options := Options{Flags: output.Flags{Format: output.Name}, Namespace: objects[0].Namespace, Owner: "bob", Watch: true}
	if err := Run(ctx, c, nil, options, genericiooptions.IOStreams{Out: out, ErrOut: &bytes.Buffer{}}); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("devserver.devserver.io/waits\n", 2) + "devserver.devserver.io/later\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// until calls then once a text was written.
type until struct {
	bytes.Buffer
	text string
	then func()
}

func (u *until) Write(p []byte) (int, error) {
	n, err := u.Buffer.Write(p)
	if strings.Contains(u.String(), u.text) {
		u.then()
	}
	return n, err
}
