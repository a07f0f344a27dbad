package devserver

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	devv1 "devserver.io/devserver/api/v1"
)

// The DevServer whose agent has answered a pass is reconciled before others that wait.
func TestAnswersComeFirst(t *testing.T) {
	q := priorityqueue.New[reconcile.Request]("test", func(o *priorityqueue.Opts[reconcile.Request]) {
		o.RateLimiter = workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()
	})
	defer q.ShutDown()
	enqueue(q, types.NamespacedName{Namespace: "team", Name: "first"}, nil)
	answered := &devv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "second"}}
	answerHandler().Generic(t.Context(), event.TypedGenericEvent[*devv1.DevServer]{Object: answered}, q)
	for _, want := range []string{"second", "first"} {
		got, _ := q.Get()
		q.Done(got)
		if got.Name != want {
			t.Errorf("the next request is for %s, want %s", got.Name, want)
		}
	}
}
