package events

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/objects"
)

// Options say whose events to print, and how.
type Options struct {
	output.Flags
	Namespace, Name string
	Watch           bool
}

// Run prints the events of a DevServer and of its objects.
func Run(ctx context.Context, c client.WithWatch, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.Get(ctx, c, o.Namespace, o.Name)
	if err != nil {
		return err
	}
	list, versions, err := Of(ctx, c, ds)
	if err != nil {
		return cluster.Explain(err, "listing the events of DevServer "+o.Name)
	}
	if err := o.print(&list, c.Scheme(), streams); err != nil || !o.Watch {
		return err
	}
	return o.watch(ctx, c, ds, versions, streams)
}

// Of returns the events of a DevServer and of its objects, in the order of time.
// versions are those of the list for each name, for a watch to continue from.
func Of(ctx context.Context, c client.Reader, ds *devserverv1.DevServer) (list corev1.EventList, versions map[string]string, err error) {
	versions = map[string]string{}
	for _, name := range namesOf(ds) {
		var some corev1.EventList
		if err := c.List(ctx, &some, scope(ds.Namespace, name)); err != nil {
			return list, nil, err
		}
		versions[name] = some.ResourceVersion
		list.Items = append(list.Items, some.Items...)
	}
	list.Items = slices.DeleteFunc(list.Items, func(e corev1.Event) bool { return !concerns(ds, &e) })
	slices.SortStableFunc(list.Items, func(a, b corev1.Event) int { return Last(&a).Compare(Last(&b)) })
	return list, versions, nil
}

// namesOf are the names of the DevServer, which its StatefulSet shares, its pod, and
// the claim of its home directory.
func namesOf(ds *devserverv1.DevServer) []string {
	claim := objects.HomeClaimName(ds.Name)
	if ds.Status.Home != nil && ds.Status.Home.ClaimName != "" {
		claim = ds.Status.Home.ClaimName
	}
	return []string{ds.Name, objects.PodName(ds.Name), claim}
}

func scope(namespace, name string) *client.ListOptions {
	return &client.ListOptions{Namespace: namespace, FieldSelector: fields.OneTermEqualSelector("involvedObject.name", name)}
}

// kinds are those of a DevServer's objects. Objects of other kinds may have the same
// names.
var kinds = []string{"DevServer", "StatefulSet", "Pod", "PersistentVolumeClaim"}

// concerns excludes the events of an earlier DevServer of the same name.
func concerns(ds *devserverv1.DevServer, e *corev1.Event) bool {
	return slices.Contains(kinds, e.InvolvedObject.Kind) && !Last(e).Before(ds.CreationTimestamp.Time)
}

// Last is when the event happened last. A series of the newer event API has a time of
// its own.
func Last(e *corev1.Event) time.Time {
	if e.Series != nil && !e.Series.LastObservedTime.IsZero() {
		return e.Series.LastObservedTime.Time
	}
	if at := objects.EventTime(*e); !at.IsZero() {
		return at
	}
	return e.CreationTimestamp.Time
}

// Times is how often the event happened.
func Times(e *corev1.Event) int32 {
	if e.Series != nil {
		return max(1, e.Series.Count)
	}
	return max(1, e.Count)
}

func (o Options) print(list *corev1.EventList, scheme *runtime.Scheme, streams genericiooptions.IOStreams) error {
	switch {
	case !o.ForPeople():
		return o.Print(list, scheme, streams.Out)
	case len(list.Items) > 0:
		return o.PrintTable(table(summed(list.Items), time.Now()), streams.Out, "From", "Times", "Type", "Object")
	case !o.Watch:
		output.Printf(streams.ErrOut, "There are no events of DevServer %s: the cluster deletes them after some time, usually an hour.\n", o.Name)
	}
	return nil
}

// series is one line of the table: all events that say the same.
type series struct {
	*corev1.Event       // the last
	times         int32 // in total
}

// summed merges events that say the same. The cluster has several of them if their
// reporter was restarted. Input and output are in the order of time.
func summed(events []corev1.Event) (lines []series) {
	type content struct{ kind, name, class, reason, message string }
	sums := map[content]int32{}
	of := func(e *corev1.Event) content {
		return content{e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Type, e.Reason, e.Message}
	}
	for i := range events {
		sums[of(&events[i])] += Times(&events[i])
	}
	for i := range slices.Backward(events) {
		if sum := sums[of(&events[i])]; sum > 0 {
			lines = append(lines, series{&events[i], sum})
			sums[of(&events[i])] = 0
		}
	}
	slices.Reverse(lines)
	return lines
}

func table(lines []series, now time.Time) *metav1.Table {
	t := output.NewTable([]string{"Age", "Times", "Type", "Reason", "Object", "From", "Message"}, "From")
	for _, e := range lines {
		output.AddRow(t, e.Event,
			duration.HumanDuration(now.Sub(Last(e.Event))), int64(e.times), e.Type, e.Reason,
			strings.ToLower(e.InvolvedObject.Kind)+"/"+e.InvolvedObject.Name,
			output.OrNone(cmp.Or(e.Source.Component, e.ReportingController)),
			strings.Join(strings.Fields(e.Message), " "))
	}
	return t
}
