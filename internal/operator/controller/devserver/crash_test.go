package devserver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/objects"
)

// errCrash is the error of every write after the crash.
var errCrash = errors.New("the operator has crashed")

// crash stops the operator at its write number at, counted from 1. If landed is set,
// that write reaches the API server, but the operator does not read the answer.
type crash struct {
	at     int
	landed bool
	count  int
}

func (c *crash) write(do func() error) error {
	c.count++
	switch {
	case c.count < c.at:
		return do()
	case c.count == c.at && c.landed:
		if err := do(); err != nil {
			return err
		}
	}
	return errCrash
}

// TestCrashAnywhere stops the operator before and after each of its writes, and starts
// a new one with an empty memory. The result must always be the same.
func TestCrashAnywhere(t *testing.T) {
	none := func(*world) {}
	for name, steps := range map[string][]func(*world){
		"create": {
			func(w *world) { w.flavor(); w.create(w.devServer()) },
			func(w *world) { w.startPod() },
		},
		"edit": {
			(*world).running,
			func(w *world) { w.edit(func(s *devv1.DevServerSpec) { s.Image = "example.com/other:2" }) },
			(*world).updateRevision,
			none,
		},
		"keys": {
			(*world).running,
			func(w *world) { w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKey = otherKey }) },
		},
		"suspend": {
			(*world).running,
			func(w *world) { w.edit(func(s *devv1.DevServerSpec) { s.Suspend = true }) },
			(*world).stopPod,
		},
		"idle": {
			func(w *world) { w.runningWithIdleTimeout(); w.idleUntilLastWarning() },
			func(w *world) { w.passTime(11 * time.Minute) },
			(*world).stopPod,
		},
		"wake": {
			(*world).suspendedForBeingIdle,
			func(w *world) { w.wake(w.clock.Now()) },
			func(w *world) { w.startPod() },
		},
		"expire": {
			func(w *world) {
				w.running()
				w.edit(func(s *devv1.DevServerSpec) { s.Lifecycle = &devv1.LifecycleSpec{TimeToLive: lasting(time.Hour)} })
				w.clock.SetTime(w.clock.Now().Add(50 * time.Minute))
				w.settled()
			},
			func(w *world) { w.clock.SetTime(w.clock.Now().Add(11 * time.Minute)) },
			(*world).stopPod,
		},
		"home": {
			(*world).running,
			func(w *world) { w.bindHome(ownersHome, w.expandable) },
			func(w *world) {
				w.edit(func(s *devv1.DevServerSpec) {
					s.PersistentHomeSize = resource.MustParse("2Gi")
					s.Home = &devv1.HomeSpec{RetentionPolicy: devv1.HomeDelete}
				})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want, writes := throughSteps(t, steps, nil)
			if writes == 0 {
				t.Fatal("the operator writes nothing")
			}
			for at := 1; at <= writes; at++ {
				for _, landed := range []bool{false, true} {
					t.Run(fmt.Sprintf("write %d landed %t", at, landed), func(t *testing.T) {
						got, _ := throughSteps(t, steps, &crash{at: at, landed: landed})
						if diff := cmp.Diff(want, got); diff != "" {
							t.Errorf("-without a crash +with one:\n%s", diff)
						}
					})
				}
			}
		})
	}
}

// throughSteps makes passes after each step. It returns the final state, and how many
// writes the operator made after the first step.
func throughSteps(t *testing.T, steps []func(*world), c *crash) (final string, writes int) {
	w := newWorld(t)
	steps[0](w)
	w.crash = c
	if w.crash == nil {
		w.crash = &crash{at: math.MaxInt}
	}
	for i, step := range steps {
		if i > 0 {
			step(w)
		}
		if _, err := w.passes(); errors.Is(err, errCrash) {
			w.crash = nil
			w.restartOperator()
			w.poll()
			w.reconcile()
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if w.crash != nil {
		writes, w.crash = w.crash.count, nil
	}
	w.poll()
	w.settled()
	return w.snapshot(), writes
}

// timeOfDay matches times, which differ between runs.
var timeOfDay = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`)

// suspension returns the cause of the suspension on the Lease, or an empty string.
func (w *world) suspension() string {
	object := &coordinationv1.Lease{}
	if err := w.c.Get(w.t.Context(), w.key(), object); err != nil {
		return ""
	}
	if s := lease.Of(object).Suspension; s != nil {
		return s.Cause
	}
	return ""
}

// lastPush returns the keys that the agent received last.
func (w *world) lastPush() string {
	if len(w.agent.pushed) == 0 {
		return ""
	}
	return w.agent.pushed[len(w.agent.pushed)-1]
}

// snapshot returns everything that the operator is responsible for, without what
// differs between namespaces.
func (w *world) snapshot() string {
	w.t.Helper()
	set, headless, service, secret := &appsv1.StatefulSet{}, &corev1.Service{}, &corev1.Service{}, &corev1.Secret{}
	w.get(set, "trainer")
	w.get(headless, "trainer-headless")
	w.get(service, "trainer-ssh")
	w.get(secret, "trainer-ssh")
	delete(set.Spec.Template.Annotations, objects.AnnotationTemplateHash) // It depends on the namespace, and the rest of the template is compared.
	d := w.read()
	parts := map[string]any{
		"template": set.Spec.Template, "claims": set.Spec.VolumeClaimTemplates,
		"replicas": *set.Spec.Replicas, "suspended": w.suspension(),
		"headless": headless.Spec.Selector, "service": service.Spec.Type,
		"keys": string(secret.Data["authorized_keys"]), "pushed": w.lastPush(), "phase": d.Status.Phase, "pod is deleted": w.podIsDeleted(),
	}
	for _, c := range d.Status.Conditions {
		parts[c.Type] = string(c.Status) + " " + c.Reason + " " + timeOfDay.ReplaceAllString(c.Message, "TIME")
	}
	claim := &corev1.PersistentVolumeClaim{}
	if err := w.c.Get(w.t.Context(), types.NamespacedName{Namespace: w.ns, Name: "home-trainer-0"}, claim); err == nil {
		parts["home"] = fmt.Sprint(claim.Spec.Resources.Requests.Storage(), len(claim.OwnerReferences))
	}
	text, err := json.MarshalIndent(parts, "", " ")
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), w.ns, "NAMESPACE")
}
