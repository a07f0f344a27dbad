package cli

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/testing/apiserver"
	"devserver.io/devserver/internal/testing/sshserver"
)

func newDevServer(t testing.TB, ns string) *devserverv1.DevServer {
	ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "bot"}}
	ds.Spec.Owner, ds.Spec.PersistentHomeSize = "ann", resource.MustParse("1Gi")
	ds.Spec.SSH.PublicKey = authorized(sshserver.NewKey(t).PublicKey())
	return ds
}

// suspend is an edit before whose first patch something else happens.
func suspend(meanwhile func()) func(*devserverv1.DevServer) map[string]any {
	return func(ds *devserverv1.DevServer) map[string]any {
		if meanwhile != nil {
			meanwhile()
			meanwhile = nil
		}
		if ds.Spec.RestartedAt != nil {
			return nil // Somebody was faster.
		}
		return map[string]any{"suspend": true}
	}
}

func TestEditDecidesAnewAfterAnotherEdit(t *testing.T) {
	c, ns := apiserver.Client(t), apiserver.Namespace(t)
	ds := newDevServer(t, ns)
	if err := c.Create(t.Context(), ds); err != nil {
		t.Fatal(err)
	}
	err := cluster.Edit(t.Context(), c, ds.DeepCopy(), "testing", suspend(func() {
		now := metav1.Now()
		other := ds.DeepCopy()
		other.Spec.RestartedAt = &now
		if err := c.Update(t.Context(), other); err != nil {
			t.Error(err)
		}
	}))
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(ds), ds); err != nil {
		t.Fatal(err)
	}
	if err != nil || ds.Spec.Suspend {
		t.Errorf("suspend is %v (%v), although that was decided on what holds no more", ds.Spec.Suspend, err)
	}
}

func TestEditLeavesWhatWasMadeAnew(t *testing.T) {
	c, ns := apiserver.Client(t), apiserver.Namespace(t)
	ds := newDevServer(t, ns)
	if err := c.Create(t.Context(), ds); err != nil {
		t.Fatal(err)
	}
	anew := newDevServer(t, ns)
	err := cluster.Edit(t.Context(), c, ds, "testing", suspend(func() {
		if err := c.Delete(t.Context(), ds.DeepCopy()); err != nil {
			t.Error(err)
		}
		if err := c.Create(t.Context(), anew); err != nil {
			t.Error(err)
		}
	}))
	if err == nil || exit.Code(err) != exit.NotFound {
		t.Errorf("got %v, want that it is not the one that was meant", err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(anew), anew); err != nil || anew.Spec.Suspend {
		t.Errorf("the new one is suspended: %v (%v)", anew.Spec.Suspend, err)
	}
}
