package flavors

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

func resources(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func TestSize(t *testing.T) {
	for want, r := range map[string]corev1.ResourceRequirements{
		"no requests or limits":                {},
		"1 CPU":                                {Requests: resources("cpu", "1"), Limits: resources("cpu", "1")},
		"0.5-8 CPUs, 16Gi":                     {Requests: resources("cpu", "500m", "memory", "16Gi"), Limits: resources("cpu", "8", "memory", "16Gi")},
		"4+ CPUs, 32Gi":                        {Requests: resources("cpu", "4"), Limits: resources("memory", "32Gi")},
		"up to 2 CPUs":                         {Requests: resources("cpu", "0"), Limits: resources("cpu", "2")},
		"1 example.com/fpga, 8 nvidia.com/gpu": {Requests: resources("example.com/fpga", "1"), Limits: resources("nvidia.com/gpu", "8", "example.com/fpga", "1", "amd.com/gpu", "0")},
	} {
		if got := Size(&devserverv1.DevServerFlavor{Spec: devserverv1.DevServerFlavorSpec{Resources: r}}); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
}

func TestFits(t *testing.T) {
	three, two := int32(3), int32(2)
	for want, status := range map[string]devserverv1.DevServerFlavorStatus{
		"room unknown":           {},
		"3 fit now, 2 in use":    {Schedulable: devserverv1.SchedulableYes, Fits: &three, InUse: &two},
		"fits now":               {Schedulable: devserverv1.SchedulableYes},
		"no room now, 2 in use":  {Schedulable: devserverv1.SchedulableNo, InUse: &two},
		"a node is added for it": {Schedulable: devserverv1.SchedulableAutoscaled},
		"room unknown, 2 in use": {Schedulable: devserverv1.SchedulableUnknown, InUse: &two},
	} {
		if got := Fits(&devserverv1.DevServerFlavor{Status: status}); got != want {
			t.Errorf("%+v: %q, want %q", status, got, want)
		}
	}
}

func named(name string, schedulable devserverv1.FlavorSchedulable) devserverv1.DevServerFlavor {
	f := devserverv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: name}}
	f.Status.Schedulable = schedulable
	return f
}

func TestChoices(t *testing.T) {
	a, b := named("a", devserverv1.SchedulableYes), named("b", devserverv1.SchedulableNo)
	for want, list := range map[string][]devserverv1.DevServerFlavor{
		"the cluster has none; ask its admin for one": nil,
		"choose from a":                      {a},
		"choose from b (no room now)":        {b},
		"choose from a; without room now: b": {a, b},
	} {
		if got := Choices(list); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDefault(t *testing.T) {
	older, newer, fresh := named("older", ""), named("newer", ""), named("new", "")
	newer.Spec.Default = true
	older.Status.Conditions = []metav1.Condition{{Type: devserverv1.ConditionDefault, Status: metav1.ConditionTrue}}
	fresh.Spec.Default = true
	if got := Default([]devserverv1.DevServerFlavor{newer, older}); got == nil || got.Name != "older" {
		t.Errorf("got %v, want the one that the operator made the default", got)
	}
	if got := Default([]devserverv1.DevServerFlavor{named("x", ""), fresh}); got == nil || got.Name != "new" {
		t.Errorf("got %v, want the one that claims it", got)
	}
	if got := Default(nil); got != nil {
		t.Errorf("got %v of none", got)
	}
}

func TestNeverFits(t *testing.T) {
	for name, tc := range map[string]struct {
		schedulable devserverv1.FlavorSchedulable
		reason      string
		observed    int64
		want        string
	}{
		"Never":      {devserverv1.SchedulableNo, devserverv1.ReasonNoNodeMatches, 2, "no node of the cluster can run flavor a, even an empty one (There are no nodes)"},
		"Full":       {devserverv1.SchedulableNo, devserverv1.ReasonNodesFull, 2, ""},
		"Autoscaled": {devserverv1.SchedulableAutoscaled, devserverv1.ReasonNodePoolFits, 2, ""},
		"Edited":     {devserverv1.SchedulableNo, devserverv1.ReasonNoNodeMatches, 1, ""},
	} {
		f := named("a", tc.schedulable)
		f.Generation = 2
		f.Status.Conditions = []metav1.Condition{{Type: devserverv1.ConditionSchedulable, Status: metav1.ConditionFalse, Reason: tc.reason, Message: "There are no nodes.", ObservedGeneration: tc.observed}}
		if got := NeverFits(&f); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
