package cli

import (
	"encoding/json"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
)

// renewed is the renewTime of the Leases of the scripts.
var renewed = time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)

// makeLease creates the Lease of a DevServer that is suspended for a cause, or one of
// somebody else: lease NAME [CAUSE | foreign]
func makeLease(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	ds := s.devServer(ts, args[0])
	object := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Namespace: s.ns, Name: ds.Name,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(ds, devserverv1.GroupVersion.WithKind("DevServer"))},
	}}
	object.Spec.RenewTime = &metav1.MicroTime{Time: renewed}
	switch {
	case len(args) > 1 && args[1] == "foreign":
		object.OwnerReferences = nil
	case len(args) > 1:
		suspension := lease.Suspension{Cause: args[1], At: renewed, RenewTime: renewed}
		if ds.Spec.RestartedAt != nil {
			suspension.RestartedAt = ds.Spec.RestartedAt.Time
		}
		object.Annotations = map[string]string{lease.AnnotationSuspension: suspension.Text()}
	}
	ts.Check(client.IgnoreNotFound(s.client.Delete(s.t.Context(), object.DeepCopy())))
	ts.Check(s.client.Create(s.t.Context(), object))
}

// printLease writes the spec of a DevServer's Lease to a file:
// print-lease NAME FILE
func printLease(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	var lease coordinationv1.Lease
	ts.Check(s.client.Get(s.t.Context(), client.ObjectKey{Namespace: s.ns, Name: args[0]}, &lease))
	text, err := json.Marshal(lease.Spec)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

// expire says that a DevServer's time to live is over: expire NAME
func expire(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).update(ts, args[0], func(ds *devserverv1.DevServer) {
		now := metav1.Now()
		ds.Status.Expired = &devserverv1.ExpiredStatus{Time: &now, RestartedAt: ds.Spec.RestartedAt}
	})
}

// maxKeep gives a DevServer a flavor that bounds a keep: max-keep NAME DURATION
func maxKeep(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	longest, err := time.ParseDuration(args[1])
	ts.Check(err)
	flavor := &devserverv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}
	flavor.Spec.LifecycleBounds = &devserverv1.LifecycleBounds{MaxKeep: &metav1.Duration{Duration: longest}}
	ts.Check(s.client.Create(s.t.Context(), flavor))
	s.update(ts, args[0], func(ds *devserverv1.DevServer) { ds.Status.Flavor = flavor.Name })
}
