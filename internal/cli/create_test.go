package cli

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/testing/sshserver"
)

// quantities are what a flavor of a script gives.
func quantities(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// makeFlavor makes the flavor NS-NAME, which allows homes of 1Gi to 20Gi and a
// time to live of 12 hours: flavor NAME Yes|No|Never [default]. Never is one that
// no node can run even when empty.
func makeFlavor(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	least, most := resource.MustParse("1Gi"), resource.MustParse("20Gi")
	flavor := &devserverv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: s.ns + "-" + args[0]}}
	flavor.Spec.Resources = corev1.ResourceRequirements{Requests: quantities("500m", "1Gi"), Limits: quantities("2", "4Gi")}
	flavor.Spec.Resources.Limits["nvidia.com/gpu"] = resource.MustParse("8")
	flavor.Spec.HomeSize = &devserverv1.SizeBounds{Min: &least, Max: &most}
	flavor.Spec.LifecycleBounds = &devserverv1.LifecycleBounds{TimeToLive: &devserverv1.DurationBounds{Max: &metav1.Duration{Duration: 12 * time.Hour}}}
	flavor.Spec.AllowedImages = []string{"registry.example.com/*"}
	flavor.Spec.Default = len(args) > 2
	ts.Check(s.client.Create(s.t.Context(), flavor))
	// A flavor has no namespace, and the next script must not see it.
	s.t.Cleanup(func() { _ = s.client.Delete(context.WithoutCancel(s.t.Context()), flavor) })
	fits, used := int32(3), int32(2)
	flavor.Status.Schedulable = devserverv1.FlavorSchedulable(args[1])
	if args[1] == "Never" {
		fits, flavor.Status.Schedulable = 0, devserverv1.SchedulableNo
	}
	meta.SetStatusCondition(&flavor.Status.Conditions, metav1.Condition{Type: devserverv1.ConditionSchedulable, Status: metav1.ConditionTrue, Reason: devserverv1.ReasonFits, Message: "3 more fit."})
	switch args[1] {
	case "Never":
		meta.SetStatusCondition(&flavor.Status.Conditions, metav1.Condition{Type: devserverv1.ConditionSchedulable, Status: metav1.ConditionFalse, Reason: devserverv1.ReasonNoNodeMatches, Message: "No node can run it.", ObservedGeneration: flavor.Generation})
	case "No":
		fits = 0
		meta.SetStatusCondition(&flavor.Status.Conditions, metav1.Condition{Type: devserverv1.ConditionSchedulable, Status: metav1.ConditionFalse, Reason: devserverv1.ReasonNodesFull, Message: "All nodes are full."})
	}
	flavor.Status.Fits, flavor.Status.InUse = &fits, &used
	ts.Check(s.client.Status().Update(s.t.Context(), flavor))
}

// makeClaim creates a claim, or that of an owner's home directory, of the
// StorageClass NS-CLASS: claim NAME [OWNER [CLASS]]
func makeClaim(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: args[0]}}
	if len(args) > 1 {
		claim.Annotations = map[string]string{objects.AnnotationOwner: args[1]}
	}
	if len(args) > 2 {
		claim.Spec.StorageClassName = new(s.ns + "-" + args[2])
	}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("5Gi")}
	ts.Check(s.client.Create(s.t.Context(), claim))
}

// claimDeleted requires that a claim is deleted. Kubernetes' controllers, which
// remove the finalizer, do not run here: claim-deleted NAME
func claimDeleted(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	var claim corev1.PersistentVolumeClaim
	err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: s.ns, Name: args[0]}, &claim)
	if err == nil && claim.DeletionTimestamp.IsZero() {
		ts.Fatalf("PersistentVolumeClaim %s exists", args[0])
	}
	ts.Check(client.IgnoreNotFound(err))
}

// makeStorageClass creates the StorageClass NS-NAME, whose volumes cannot grow:
// storage-class NAME
func makeStorageClass(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: s.ns + "-" + args[0]}, Provisioner: "example.com/none"}
	ts.Check(s.client.Create(s.t.Context(), class))
	s.t.Cleanup(func() { _ = s.client.Delete(context.WithoutCancel(s.t.Context()), class) })
}

// setResize is the operator, which reports on the size of a home directory:
// resize NAME STATUS REASON MESSAGE...
func setResize(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).update(ts, args[0], func(ds *devserverv1.DevServer) {
		meta.SetStatusCondition(&ds.Status.Conditions, metav1.Condition{
			Type: devserverv1.ConditionResizePending, Status: metav1.ConditionStatus(args[1]), Reason: args[2], Message: strings.Join(args[3:], " "),
			ObservedGeneration: ds.Generation,
		})
	})
}

// makeQuota lets there be one DevServer: quota
func makeQuota(ts *testscript.TestScript, _ bool, _ []string) {
	s := stageOf(ts)
	one := corev1.ResourceList{"count/devservers.devserver.io": resource.MustParse("1")}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "one"}}
	quota.Spec.Hard = one
	ts.Check(s.client.Create(s.t.Context(), quota))
	// There is no controller that would count.
	quota.Status = corev1.ResourceQuotaStatus{Hard: one, Used: corev1.ResourceList{"count/devservers.devserver.io": resource.MustParse("1")}}
	ts.Check(s.client.Status().Update(s.t.Context(), quota))
}

// makePerson makes a DevServerUser, with a namespace: person OWNER NAMESPACE
func makePerson(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	person := &devserverv1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}
	person.Spec.Username, person.Spec.Owner = "x"+s.ns[len(s.ns)-5:], args[0]
	ts.Check(s.client.Create(s.t.Context(), person))
	s.t.Cleanup(func() { _ = s.client.Delete(context.WithoutCancel(s.t.Context()), person) })
	person.Status.Namespace = args[1]
	ts.Check(s.client.Status().Update(s.t.Context(), person))
}

// publishKey writes the public key of the script: publish-key FILE
func publishKey(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o700))
	ts.Check(os.WriteFile(file, []byte(authorized(stageOf(ts).key)+" ann@laptop\n"), 0o600))
}

// serveGitHub is GitHub, which devctl trusts from then on: the user ann has two
// keys, bob has none, and of carl there is a page that is none. serve-github
func serveGitHub(ts *testscript.TestScript, _ bool, _ []string) {
	s := stageOf(ts)
	answers := map[string]string{
		"/ann.keys":  authorized(sshserver.NewKey(s.t).PublicKey()) + "\n" + authorized(sshserver.NewKey(s.t).PublicKey()) + "\nssh-dss AAAAB3NzaC1kc3M=\n",
		"/bob.keys":  "",
		"/carl.keys": "<html>Please log in</html>",
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dave.keys" {
			http.Redirect(w, r, "/ann.keys", http.StatusFound)
			return
		}
		answer, known := answers[r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(answer)) // It is devctl that would notice.
	}))
	s.t.Cleanup(server.Close)
	trust := ts.MkAbs("github.pem")
	ts.Check(os.WriteFile(trust, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	ts.Setenv("SSL_CERT_FILE", trust)
	ts.Setenv("DEVCTL_GITHUB_URL", server.URL)
}

// expiresIn says when a DevServer was started, and when it expires:
// expires-in NAME DURATION
func expiresIn(ts *testscript.TestScript, _ bool, args []string) {
	length, err := time.ParseDuration(args[1])
	ts.Check(err)
	stageOf(ts).update(ts, args[0], func(ds *devserverv1.DevServer) {
		expires := metav1.NewTime(renewed.Add(length))
		ds.Status.StartedAt, ds.Status.ExpiresAt = &metav1.Time{Time: renewed}, &expires
	})
}

// useFlavor is the operator, which gave a DevServer the flavor NS-FLAVOR:
// use-flavor NAME FLAVOR
func useFlavor(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	s.update(ts, args[0], func(ds *devserverv1.DevServer) { ds.Status.Flavor = s.ns + "-" + args[1] })
}

// restarted is the operator, whose pod of a DevServer is a new one: restarted NAME
func restarted(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).update(ts, args[0], func(ds *devserverv1.DevServer) {
		now := metav1.Now()
		ds.Status.StartedAt = &now
	})
}

// removePod is the kubelet, whose pod has ended: remove-pod NAME
func removePod(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: args[0] + "-0"}}
	ts.Check(s.client.Delete(s.t.Context(), pod, client.GracePeriodSeconds(0)))
}
