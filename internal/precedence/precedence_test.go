package precedence_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/precedence"
)

func TestOldest(t *testing.T) {
	born := func(name string, seconds int) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Unix(int64(seconds), 0)}}
	}
	for reason, tc := range map[string]struct {
		objects []corev1.Pod
		want    string
	}{
		"no objects":                               {nil, ""},
		"none qualifies":                           {[]corev1.Pod{born("unfit", 1)}, ""},
		"the time decides":                         {[]corev1.Pod{born("a", 3), born("b", 1), born("c", 2)}, "b"},
		"of the same second, the name":             {[]corev1.Pod{born("b", 1), born("a", 1), born("c", 1)}, "a"},
		"objects that do not qualify do not count": {[]corev1.Pod{born("unfit", 1), born("b", 3), born("a", 2)}, "a"},
	} {
		got := ""
		if pod := precedence.Oldest(tc.objects, func(p *corev1.Pod) bool { return !strings.HasPrefix(p.Name, "unfit") }); pod != nil {
			got = pod.Name
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", reason, got, tc.want)
		}
	}
}

// A time zone makes no object older than another.
func TestCompareTakesTimesForTimes(t *testing.T) {
	at := time.Unix(100, 0)
	a := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", CreationTimestamp: metav1.NewTime(at.UTC())}}
	b := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "b", CreationTimestamp: metav1.NewTime(at.In(time.FixedZone("east", 3600)))}}
	if precedence.Compare(a, b) >= 0 || precedence.Compare(b, a) <= 0 || precedence.Compare(a, a) != 0 {
		t.Error("of the same second, the name does not decide")
	}
}
