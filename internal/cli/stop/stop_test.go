package stop

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

func TestReportSaysWhatBecomesOfIt(t *testing.T) {
	cases := map[string]struct {
		change func(*devserverv1.DevServer)
		grace  time.Duration
		want   string
	}{
		"Runs":      {func(*devserverv1.DevServer) {}, 90 * time.Second, "box stops: its processes get SIGTERM, and have 1m30s to end. Its home directory, keys and address stay"},
		"NoPod":     {func(*devserverv1.DevServer) {}, 0, "have a moment to end"},
		"Ephemeral": {func(ds *devserverv1.DevServer) { ds.Spec.Home = &devserverv1.HomeSpec{Ephemeral: true} }, 0, "its home directory, which is ephemeral, does not"},
		"Sleeps":    {func(ds *devserverv1.DevServer) { ds.Status.Phase = devserverv1.PhaseSuspended }, 0, "box sleeps already; from now on, nothing but its owner starts it"},
		"Expired":   {func(ds *devserverv1.DevServer) { ds.Status.Phase = devserverv1.PhaseExpired }, 0, "box sleeps already; from now on, nothing but its owner starts it"},
		"Suspended": {func(ds *devserverv1.DevServer) { ds.Spec.Suspend = true }, 0, "box is suspended already"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "box"}}
			tc.change(ds)
			got := report(ds, tc.grace)
			if !strings.Contains(got, tc.want) || !strings.HasSuffix(got, ": devctl start box -n team") {
				t.Errorf("got %q, want that it says %q and how to start it", got, tc.want)
			}
		})
	}
}
