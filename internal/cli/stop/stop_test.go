package stop

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

func TestReport(t *testing.T) {
	cases := map[string]struct {
		change func(*devserverv1.DevServer)
		grace  time.Duration
		want   string
		// unstarted is a server without processes.
		unstarted bool
	}{
		"Runs":      {change: func(*devserverv1.DevServer) {}, grace: 90 * time.Second, want: "bot stops: its processes get SIGTERM and have 1m30s to end. Its home directory, keys and address stay"},
		"NoPod":     {change: func(*devserverv1.DevServer) {}, grace: 0, want: "have a moment to end"},
		"Ephemeral": {change: func(ds *devserverv1.DevServer) { ds.Spec.Home = &devserverv1.HomeSpec{Ephemeral: true} }, grace: 0, want: "its ephemeral home directory is lost"},
		"Idle":      {change: func(ds *devserverv1.DevServer) { ds.Status.Phase = devserverv1.PhaseSuspended }, grace: 0, want: "bot is already suspended; from now on, a connection or its schedule does not start it"},
		"Expired":   {change: func(ds *devserverv1.DevServer) { ds.Status.Phase = devserverv1.PhaseExpired }, grace: 0, want: "bot is already suspended; from now on, a connection or its schedule does not start it"},
		"Unstarted": {change: func(*devserverv1.DevServer) {}, want: "bot stops; none of its processes has started.", unstarted: true},
		"Suspended": {change: func(ds *devserverv1.DevServer) { ds.Spec.Suspend = true }, grace: 0, want: "bot is already suspended"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bot"}}
			tc.change(ds)
			got := report(ds, tc.grace, !tc.unstarted)
			if !strings.Contains(got, tc.want) || !strings.HasSuffix(got, ": devctl start bot -n team") {
				t.Errorf("got %q, want that it says %q and how to start it", got, tc.want)
			}
		})
	}
}
