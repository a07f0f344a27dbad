package describe

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

var now = time.Date(2026, time.January, 30, 15, 0, 0, 0, time.UTC)

func at(after time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(after)} }

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHtL3MyHIx6kif77m/WPFDRRgdItMGJNHtDC6+NEsmkp"

func whole() seen {
	ds := &devserverv1.DevServer{}
	ds.Namespace, ds.Name, ds.CreationTimestamp = "team", "web", *at(-2 * time.Hour)
	ds.Spec = devserverv1.DevServerSpec{
		Owner: "ann", Image: "pytorch:2", PersistentHomeSize: resource.MustParse("100Gi"), SharedVolumeClaimName: "data",
		Volumes:   []devserverv1.VolumeMount{{ClaimName: "models", MountPath: "/models", ReadOnly: true}},
		Env:       []devserverv1.EnvVar{{Name: "LANG", Value: "C.UTF-8"}},
		Lifecycle: &devserverv1.LifecycleSpec{Schedule: &devserverv1.Schedule{Stop: "0 20 * * *"}},
	}
	ds.Spec.SSH = devserverv1.SSHSpec{PublicKey: key + " ann@laptop", PublicKeys: []string{"ssh-ed25519 AAAA bad"}}
	ds.Spec.SSH.Service.Type = devserverv1.SSHServiceNodePort
	ds.Status = devserverv1.DevServerStatus{
		Phase: devserverv1.PhaseRunning, Flavor: "gpu", NodeName: "n1", StartedAt: at(-time.Hour), LastActivityAt: at(-time.Hour), Activity: "Idle since 2026-01-30 14:00 UTC. Suspended at 2026-01-30 16:00 UTC, unless it is used before.",
		SSH:        &devserverv1.SSHStatus{Host: "10.0.0.7", Port: 31022, Command: "ssh dev@10.0.0.7", HostKey: key},
		SuspendsAt: at(time.Hour), OOMKills: 2,
		LastDisruption: &devserverv1.Disruption{Reason: "Evicted", Message: "Drained.", Time: at(-3 * time.Hour)},
		Conditions:     []metav1.Condition{{Type: "Ready", Status: "True", Reason: "SSHAnswering", Message: "SSH answers.", LastTransitionTime: *at(-time.Hour)}, {Type: "Active", Status: "False", Reason: "Idle", Message: "Idle.", LastTransitionTime: *at(-time.Hour)}},
		Lifecycle:      &devserverv1.LifecycleStatus{IdleTimeout: &metav1.Duration{Duration: time.Hour}, Schedule: &devserverv1.Schedule{Stop: "0 20 * * *"}},
	}
	flavor := &devserverv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: "gpu"}}
	flavor.Spec.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("8Gi")}
	flavor.Spec.Resources.Limits = corev1.ResourceList{"memory": resource.MustParse("16Gi"), "nvidia.com/gpu": resource.MustParse("1")}
	flavor.Spec.Lifecycle = &devserverv1.LifecycleSpec{IdleTimeout: &metav1.Duration{Duration: 2 * time.Hour}}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "home-web-0"}}
	claim.Spec.StorageClassName = new("fast")
	claim.Status.Phase, claim.Status.Capacity = corev1.ClaimBound, corev1.ResourceList{"storage": resource.MustParse("100Gi")}
	user := &devserverv1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: "ann"}}
	user.Spec.PublicKeys = []string{key + " ann@work"}
	event := corev1.Event{Type: "Warning", Reason: "BackOff", Message: "Back-off\npulling", Count: 7}
	event.InvolvedObject.Kind, event.InvolvedObject.Name, event.LastTimestamp = "Pod", "web-0", *at(-time.Minute)
	return seen{devServer: ds, flavor: flavor, claim: claim, user: user, events: []corev1.Event{event}, now: now, zone: time.FixedZone("CET", 3600)}
}

func TestPage(t *testing.T) {
	var out strings.Builder
	if err := whole().write(&out); err != nil {
		t.Fatal(err)
	}
	want := `Name:        web
Namespace:   team
Owner:       ann
Created:     2026-01-30 14:00 CET (120m ago)
Phase:       Running
Flavor:      gpu (4 cpu, 16Gi memory, 1 nvidia.com/gpu)
Image:       pytorch:2
Node:        n1
Started:     2026-01-30 15:00 CET (60m ago)
SSH:
  Command:    ssh dev@10.0.0.7
  Address:    10.0.0.7 port 31022
  Host key:   SHA256:Ip1B0AkkexOquMBKGQ03ajEq5y0RJ2sh/ytpNpNNI/o ssh-ed25519
  Service:    NodePort
  Keys:       SHA256:Ip1B0AkkexOquMBKGQ03ajEq5y0RJ2sh/ytpNpNNI/o ssh-ed25519 ann@laptop
              not usable: the public key's body does not decode: it is cut off or was changed while copying
              SHA256:Ip1B0AkkexOquMBKGQ03ajEq5y0RJ2sh/ytpNpNNI/o ssh-ed25519 ann@work (of DevServerUser ann)
Home:
  Size:           100Gi requested
  Claim:          home-web-0, 100Gi of fast, Bound
  When deleted:   Its home directory is kept.
Volumes:
  /shared:        claim data
  /models:        claim models, read-only
Environment:
  LANG:           C.UTF-8
Lifecycle:
  Idle timeout:             1h
  Time to live:             none
  Delete after suspended:   none
  Schedule:                 stop 0 20 * * * (UTC)
  Activity:                 Idle. Last recorded activity: 2026-01-30 15:00 CET (60m ago).
  Suspends:                 2026-01-30 17:00 CET
  Killed for memory:        2 processes since its start
  Last disruption:          Evicted at 2026-01-30 13:00 CET (3h ago): Drained.
  Grace period:             30s for its processes to end
Conditions:
  TYPE     STATUS   SINCE   REASON         MESSAGE
  Ready    True     60m     SSHAnswering   SSH answers.
  Active   False    60m     Idle           Idle.
Events:
  AGE        TYPE      OBJECT      REASON    MESSAGE
  60s (x7)   Warning   pod/web-0   BackOff   Back-off pulling
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The page has no gaps if objects do not exist or cannot be read.
func TestPageOfLittle(t *testing.T) {
	s := whole()
	s.flavor, s.claim, s.user, s.events = nil, nil, nil, nil
	s.devServer.Spec.Home = &devserverv1.HomeSpec{Ephemeral: true}
	s.devServer.Status = devserverv1.DevServerStatus{}
	s.devServer.Generation = 1
	var out strings.Builder
	if err := s.write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Phase:       <none>\n", "the operator has not looked at the latest edit yet", "Kind:      ephemeral: it is empty after each start\n",
		"  Keys:      SHA256:", "and those of its owner's DevServerUser", "Conditions:   <none>\n", "Events:   <none>\n",
		"Cluster defaults:   not reported by the operator yet\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
