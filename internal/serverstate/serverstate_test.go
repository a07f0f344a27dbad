package serverstate

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

// server is a DevServer with a status about its latest edit.
func server(phase devserverv1.DevServerPhase, reason, message string) *devserverv1.DevServer {
	return &devserverv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Generation: 2},
		Status: devserverv1.DevServerStatus{
			ObservedGeneration: 2,
			Phase:              phase,
			Conditions:         []metav1.Condition{{Type: devserverv1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message}},
		},
	}
}

func TestStuck(t *testing.T) {
	deleted := server(devserverv1.PhaseStarting, devserverv1.ReasonStarting, "")
	deleted.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	edited := server(devserverv1.PhaseFailed, devserverv1.ReasonCrashLoop, "exit code 1")
	edited.Generation++
	cases := map[string]struct {
		reason    string
		devServer *devserverv1.DevServer
		want      bool
	}{
		"Flavor":   {"the flavor may still be created", server(devserverv1.PhasePending, devserverv1.ReasonFlavorNotFound, ""), false},
		"Claim":    {"the claim may still be created", server(devserverv1.PhasePending, devserverv1.ReasonClaimNotFound, ""), false},
		"NoNode":   {"a node may still be added", server(devserverv1.PhasePending, devserverv1.ReasonUnschedulable, ""), false},
		"Evicted":  {"the pod is created again", server(devserverv1.PhaseFailed, devserverv1.ReasonPodFailed, ""), false},
		"HeldBack": {"the pod is created again after a delay", server(devserverv1.PhaseFailed, devserverv1.ReasonEvicted, ""), false},
		"Idle":     {"waiting does not wake it", server(devserverv1.PhaseSuspended, devserverv1.ReasonIdle, ""), true},
		"Expired":  {"only its owner starts it again", server(devserverv1.PhaseExpired, devserverv1.ReasonExpired, ""), true},
		"Starting": {"it is starting", server(devserverv1.PhaseStarting, devserverv1.ReasonStarting, ""), false},
		"Edited":   {"the failure is of the spec before the last edit", edited, false},
		"Key":      {"the key has to be edited", server(devserverv1.PhasePending, devserverv1.ReasonInvalidKey, ""), true},
		"Conflict": {"the other object has to be deleted", server(devserverv1.PhasePending, devserverv1.ReasonObjectConflict, ""), true},
		"Image":    {"the image has to be pushed", server(devserverv1.PhaseFailed, devserverv1.ReasonImagePullFailed, ""), true},
		"Crash":    {"the process keeps crashing", server(devserverv1.PhaseFailed, devserverv1.ReasonCrashLoop, ""), true},
		"Deleted":  {"it does not start again", deleted, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if _, got := Stuck(tc.devServer); got != tc.want {
				t.Errorf("%s: Stuck = %v, want %v", tc.reason, got, tc.want)
			}
		})
	}
}
