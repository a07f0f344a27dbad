package status_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/status"
)

func TestComputeUser(t *testing.T) {
	quota := func(used ...corev1.ResourceName) *corev1.ResourceQuota {
		q := &corev1.ResourceQuota{Status: corev1.ResourceQuotaStatus{Used: corev1.ResourceList{}}}
		q.Spec.Hard = corev1.ResourceList{"pods": resource.MustParse("1"), "count/robots.example.com": resource.MustParse("1")}
		for _, name := range used {
			q.Status.Used[name] = resource.Quantity{}
		}
		return q
	}
	problem := &status.Problem{Reason: devv1.ReasonUserRefused, Message: "It is refused."}
	for name, c := range map[string]struct {
		status.ObservedUser
		reason, message string
	}{
		"all exists":     {status.ObservedUser{Namespace: "dev-alice"}, devv1.ReasonProvisioned, "The namespace dev-alice and the user's roles in it exist."},
		"counted":        {status.ObservedUser{Namespace: "dev-alice", Quota: quota("pods", "count/robots.example.com")}, devv1.ReasonProvisioned, "The namespace dev-alice and the user's roles in it exist."},
		"not counted":    {status.ObservedUser{Quota: quota("pods")}, devv1.ReasonUserQuotaPending, "Kubernetes does not count count/robots.example.com of spec.quota yet, and refuses it until it does. If this does not change, the resource does not exist: check the name."},
		"bad key":        {status.ObservedUser{BadKeys: "It is none."}, devv1.ReasonUserInvalidKey, "It is none. The other keys count."},
		"a key first":    {status.ObservedUser{BadKeys: "It is none.", Quota: quota()}, devv1.ReasonUserInvalidKey, "It is none. The other keys count."},
		"a problem":      {status.ObservedUser{Problem: problem}, problem.Reason, problem.Message},
		"problems first": {status.ObservedUser{Problem: problem, BadKeys: "It is none.", Quota: quota()}, problem.Reason, problem.Message},
	} {
		t.Run(name, func(t *testing.T) {
			u := &devv1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Generation: 7}}
			u.Status.Namespace = "dev-before"
			s := status.ComputeUser(u, c.ObservedUser, time.Unix(1, 0))
			if len(s.Conditions) != 1 || s.ObservedGeneration != 7 || s.Namespace != c.Namespace {
				t.Fatalf("the status is %+v", s)
			}
			ready := s.Conditions[0]
			if ready.Reason != c.reason || ready.Message != c.message || ready.ObservedGeneration != 7 {
				t.Errorf("got %s: %s\nwant %s: %s", ready.Reason, ready.Message, c.reason, c.message)
			}
			if is := ready.Status == metav1.ConditionTrue; is != (c.reason == devv1.ReasonProvisioned) {
				t.Errorf("Ready is %s", ready.Status)
			}
			u.Status = s
			if again := status.ComputeUser(u, c.ObservedUser, time.Unix(2, 0)); !again.Conditions[0].LastTransitionTime.Equal(&ready.LastTransitionTime) {
				t.Error("the same state has another time")
			}
		})
	}
}
