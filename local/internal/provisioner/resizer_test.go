package provisioner

import (
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"devserver.io/devserver/local/internal/disk"
)

const (
	inProgress = corev1.PersistentVolumeClaimControllerResizeInProgress
	onNode     = corev1.PersistentVolumeClaimNodeResizePending
)

// claimOf is a bound claim with these sizes, and its volume.
func claimOf(request, size, pvSize string) (*corev1.PersistentVolumeClaim, *corev1.PersistentVolume) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "home", UID: "u"}}
	claim.Spec.VolumeName = "pvc-u"
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(request)}
	claim.Status.Phase = corev1.ClaimBound
	setCapacity(claim, size)
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-u"}}
	pv.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(pvSize)}
	pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "team", Name: "home", UID: "u"}
	return claim, pv
}

func TestWanted(t *testing.T) {
	for name, test := range map[string]struct {
		request, size, pv string
		change            func(*corev1.PersistentVolumeClaim)
		want              string // or empty
	}{
		"enough":                     {request: "1Gi", size: "1Gi", pv: "1Gi"},
		"more than it request for":   {request: "64Mi", size: "300Mi", pv: "300Mi"},
		"more":                       {request: "2Gi", size: "1Gi", pv: "1Gi", want: "2Gi"},
		"an odd size":                {request: "600M", size: "300Mi", pv: "300Mi", want: "573Mi"},
		"the volume is large enough": {request: "2Gi", size: "1Gi", pv: "2Gi", want: "2Gi"},
		"less than the volume has":   {request: "2Gi", size: "1Gi", pv: "3Gi", want: "3Gi"},
		"interrupted":                {request: "2Gi", size: "1Gi", pv: "1Gi", change: stage(inProgress), want: "2Gi"},
		"the kubelet's turn":         {request: "2Gi", size: "1Gi", pv: "2Gi", change: stage(onNode)},
		"more, on the kubelet's":     {request: "3Gi", size: "1Gi", pv: "2Gi", change: stage(onNode)},
		"the kubelet is growing it":  {request: "3Gi", size: "1Gi", pv: "2Gi", change: stage(corev1.PersistentVolumeClaimNodeResizeInProgress)},
		"the kubelet gave up":        {request: "2Gi", size: "1Gi", pv: "2Gi", change: stage(corev1.PersistentVolumeClaimNodeResizeInfeasible), want: "2Gi"},
		"not bound":                  {request: "2Gi", size: "1Gi", pv: "1Gi", change: func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimLost }},
		"another claim of this name": {request: "2Gi", size: "1Gi", pv: "1Gi", change: func(c *corev1.PersistentVolumeClaim) { c.UID = "v" }},
	} {
		claim, pv := claimOf(test.request, test.size, test.pv)
		if test.change != nil {
			test.change(claim)
		}
		size, now := wanted(claim, pv)
		if now != (test.want != "") || now && size.String() != test.want {
			t.Errorf("%s: %s, %v; want %q", name, size.String(), now, test.want)
		}
	}
}

func stage(status corev1.ClaimResourceStatus) func(*corev1.PersistentVolumeClaim) {
	return func(c *corev1.PersistentVolumeClaim) {
		c.Status.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{corev1.ResourceStorage: status}
	}
}

func TestOnlySizeConditionsChange(t *testing.T) {
	then := metav1.NewTime(time.Unix(1, 0))
	claim, _ := claimOf("2Gi", "1Gi", "1Gi")
	claim.Status.Conditions = []corev1.PersistentVolumeClaimCondition{
		{Type: "VolumeModifying", Status: corev1.ConditionTrue},
		condition(corev1.PersistentVolumeClaimResizing, "", then),
		condition(corev1.PersistentVolumeClaimControllerResizeError, "no room", then),
	}
	got := grown(claim, metav1.NewTime(time.Unix(2, 0))).Status.Conditions
	if len(got) != 3 || got[0].Type != "VolumeModifying" || got[1].Type != corev1.PersistentVolumeClaimResizing || got[2].Type != corev1.PersistentVolumeClaimFileSystemResizePending {
		t.Fatalf("the conditions are %+v", got)
	}
	if got[1].LastTransitionTime != then {
		t.Error("a condition that was true before has a new time")
	}
}

// harness is a Resizer whose caches have what the API server has when reconcile is called.
type harness struct {
	*testing.T
	Resizer
	fake            *fake.Clientset
	claims, volumes cache.Indexer
}

func newHarness(t *testing.T, request string) *harness {
	t.Helper()
	d := disks(t)
	if err := d.Store.Make(t.Context(), "pvc-u", disk.Least, ""); err != nil {
		t.Fatal(err)
	}
	claim, pv := claimOf(request, "300Mi", "300Mi")
	pv.Spec.Local = &corev1.LocalVolumeSource{Path: d.Store.Device("pvc-u")}
	h := &harness{T: t, fake: fake.NewClientset(claim, pv)}
	byNamespace := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	h.claims = cache.NewIndexer(cache.MetaNamespaceKeyFunc, byNamespace)
	h.volumes = cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	h.Resizer = Resizer{
		disks: d, client: h.fake,
		claims: corelisters.NewPersistentVolumeClaimLister(h.claims), volumes: corelisters.NewPersistentVolumeLister(h.volumes),
	}
	return h
}

func (h *harness) state() (*corev1.PersistentVolumeClaim, *corev1.PersistentVolume) {
	h.Helper()
	claim, err := h.fake.CoreV1().PersistentVolumeClaims("team").Get(h.Context(), "home", metav1.GetOptions{})
	if err != nil {
		h.Fatal(err)
	}
	pv, err := h.fake.CoreV1().PersistentVolumes().Get(h.Context(), "pvc-u", metav1.GetOptions{})
	if err != nil {
		h.Fatal(err)
	}
	return claim, pv
}

// reconcile also returns the number of writes.
func (h *harness) reconcile() (writes int, err error) {
	h.Helper()
	claim, pv := h.state()
	if err := h.claims.Update(claim); err != nil {
		h.Fatal(err)
	}
	if err := h.volumes.Update(pv); err != nil {
		h.Fatal(err)
	}
	h.fake.ClearActions()
	err = h.Reconcile(h.Context(), "team/home")
	for _, a := range h.fake.Actions() {
		if a.GetVerb() != "get" {
			writes++
		}
	}
	return writes, err
}

func TestReconcileGrows(t *testing.T) {
	h := newHarness(t, "400Mi")
	if _, err := h.reconcile(); err != nil {
		t.Fatal(err)
	}
	claim, pv := h.state()
	if got := pv.Spec.Capacity.Storage().String(); got != "400Mi" {
		t.Errorf("the volume has %s", got)
	}
	if got := claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage]; got != onNode {
		t.Errorf("the claim is %q: the kubelet does nothing then", got)
	}
	if got := claim.Status.AllocatedResources.Storage().String(); got != "400Mi" {
		t.Errorf("%s are allocated", got)
	}
	if got := claim.Status.Capacity.Storage().String(); got != "300Mi" {
		t.Errorf("the claim has %s before the file system has grown", got)
	}
	device, err := os.Open(pv.Spec.Local.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	if end, err := device.Seek(0, 2); err != nil || end != 400*disk.Step {
		t.Errorf("the device has %d bytes (%v)", end, err)
	}
	if writes, err := h.reconcile(); writes != 0 || err != nil {
		t.Errorf("a second reconcile writes %d times (%v)", writes, err)
	}
}

// TestReconcileResumesAfterInterruption: it was interrupted after it wrote the volume.
func TestReconcileResumesAfterInterruption(t *testing.T) {
	h := newHarness(t, "400Mi")
	claim, pv := h.state()
	stage(inProgress)(claim)
	claim.Status.AllocatedResources = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("400Mi")}
	pv.Spec.Capacity[corev1.ResourceStorage] = resource.MustParse("400Mi")
	if _, err := h.fake.CoreV1().PersistentVolumeClaims("team").UpdateStatus(t.Context(), claim, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.fake.CoreV1().PersistentVolumes().Update(t.Context(), pv, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if writes, err := h.reconcile(); writes != 1 || err != nil {
		t.Errorf("it writes %d times (%v), want once", writes, err)
	}
	if claim, _ = h.state(); claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] != onNode {
		t.Errorf("the status is %+v", claim.Status)
	}
	if writes, err := h.reconcile(); writes != 0 || err != nil {
		t.Errorf("a second reconcile writes %d times (%v)", writes, err)
	}
}

// TestReconcileReportsFailure: an exbibyte is too large for a file.
func TestReconcileReportsFailure(t *testing.T) {
	h := newHarness(t, "1Ei")
	if _, err := h.reconcile(); err == nil {
		t.Fatal("it grew")
	}
	claim, pv := h.state()
	conditions := claim.Status.Conditions
	if i := len(conditions) - 1; i < 0 || conditions[i].Type != corev1.PersistentVolumeClaimControllerResizeError || !strings.Contains(conditions[i].Message, "file too large") {
		t.Errorf("the conditions are %+v", conditions)
	}
	if got := pv.Spec.Capacity.Storage().String(); got != "300Mi" {
		t.Errorf("the volume has %s", got)
	}
	if writes, err := h.reconcile(); writes != 0 || err == nil {
		t.Errorf("a second reconcile writes %d times (%v)", writes, err)
	}
	// The owner requests less.
	claim.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("400Mi")
	if _, err := h.fake.CoreV1().PersistentVolumeClaims("team").Update(t.Context(), claim, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.reconcile(); err != nil {
		t.Fatal(err)
	}
	claim, _ = h.state()
	for _, c := range claim.Status.Conditions {
		if c.Type == corev1.PersistentVolumeClaimControllerResizeError {
			t.Errorf("the condition stays: %+v", c)
		}
	}
	if got := claim.Status.AllocatedResources.Storage().String(); got != "400Mi" {
		t.Errorf("%s are allocated", got)
	}
}

func TestReconcileIgnoresOtherVolumes(t *testing.T) {
	h := newHarness(t, "400Mi")
	_, pv := h.state()
	for _, at := range []*corev1.LocalVolumeSource{nil, {Path: "/dev/sda"}} {
		pv.Spec.Local = at
		if _, err := h.fake.CoreV1().PersistentVolumes().Update(t.Context(), pv, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if writes, err := h.reconcile(); writes != 0 || err != nil {
			t.Errorf("a volume at %v: %d writes (%v)", at, writes, err)
		}
	}
	if err := h.Reconcile(t.Context(), "team/gone"); err != nil {
		t.Errorf("a deleted claim: %v", err)
	}
}
