package cli

import (
	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
)

// provisioned is the operator, for a person: provisioned USERNAME
func provisioned(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	var u devserverv1.DevServerUser
	ts.Check(s.client.Get(s.t.Context(), client.ObjectKey{Name: args[0]}, &u))
	u.Status.Namespace = "dev-" + u.Spec.Username
	meta.SetStatusCondition(&u.Status.Conditions, metav1.Condition{
		Type: devserverv1.ConditionReady, Status: metav1.ConditionTrue, Reason: devserverv1.ReasonProvisioned, Message: "It is there.",
	})
	ts.Check(s.client.Status().Update(s.t.Context(), &u))
}
