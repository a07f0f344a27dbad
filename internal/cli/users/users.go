package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/cli/output"
)

// CreateOptions say whom to add.
type CreateOptions struct {
	Username, Owner string
	Keys            keys.Options
	Timeout         time.Duration
}

// explain says what an error means to somebody who may be no admin.
func explain(err error, doing string) error {
	if apierrors.IsForbidden(err) {
		return exit.With(exit.Refused, fmt.Errorf("%s: that is for admins of the cluster, and you are none here: %w", doing, err))
	}
	return cluster.Explain(err, doing)
}

func list(ctx context.Context, c client.Client, format *output.Flags, streams genericiooptions.IOStreams) error {
	var users devserverv1.DevServerUserList
	if err := c.List(ctx, &users); err != nil {
		return explain(err, "listing DevServerUsers")
	}
	switch {
	case !format.ForPeople():
		return format.Print(&users, c.Scheme(), streams.Out)
	case len(users.Items) == 0:
		_, err := fmt.Fprintln(streams.ErrOut, "There are no DevServerUsers. To add one: devctl users create USERNAME --owner NAME --key FILE")
		return err
	}
	return format.PrintTable(table(&users, time.Now()), streams.Out)
}

func table(users *devserverv1.DevServerUserList, now time.Time) *metav1.Table {
	t := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "Username", Type: "string", Format: "name"},
		{Name: "Owner", Type: "string"},
		{Name: "Namespace", Type: "string"},
		{Name: "Keys", Type: "integer"},
		{Name: "Reason", Type: "string"},
		{Name: "Age", Type: "string"},
		{Name: "Message", Type: "string", Priority: 1},
	}}
	for i := range users.Items {
		u := &users.Items[i]
		reason, message := unready(u)
		t.Rows = append(t.Rows, metav1.TableRow{
			Cells: []any{
				u.Spec.Username, u.Spec.Owner, output.OrNone(u.Status.Namespace), len(u.Spec.PublicKeys), output.OrNone(reason),
				duration.HumanDuration(now.Sub(u.CreationTimestamp.Time)), output.OrNone(message),
			},
			Object: runtime.RawExtension{Object: u},
		})
	}
	return t
}

// unready says why a person cannot work yet; empty where they can.
func unready(u *devserverv1.DevServerUser) (reason, message string) {
	ready := meta.FindStatusCondition(u.Status.Conditions, devserverv1.ConditionReady)
	switch {
	case ready == nil:
		return "New", "The operator has not looked at it yet."
	case ready.Status != metav1.ConditionTrue:
		return ready.Reason, ready.Message
	}
	return "", ""
}

func create(ctx context.Context, c client.Client, o CreateOptions, streams genericiooptions.IOStreams) error {
	u := &devserverv1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: o.Username}}
	u.Spec.Username, u.Spec.Owner = o.Username, o.Owner
	if o.Keys.Asked() { // else it would find the admin's own
		found, err := keys.Find(ctx, o.Keys)
		if err != nil {
			return err
		}
		for _, key := range found {
			u.Spec.PublicKeys = append(u.Spec.PublicKeys, key.Line)
		}
	}
	doing := "adding DevServerUser " + o.Username
	err := c.Create(ctx, u)
	if apierrors.IsAlreadyExists(err) {
		return exit.With(exit.Refused, fmt.Errorf("%s: there is one already: kubectl edit devserveruser %s changes it", doing, o.Username))
	}
	if err != nil {
		return explain(err, doing)
	}
	if err := provisioned(ctx, c, u, o.Timeout); err != nil {
		return err
	}
	_, err = fmt.Fprintf(streams.Out, "%s can work in the namespace %s. To give them access: devctl users kubeconfig %s\n", o.Owner, u.Status.Namespace, o.Username)
	return err
}

// provisioned waits until the person can work.
func provisioned(ctx context.Context, c client.Client, u *devserverv1.DevServerUser, timeout time.Duration) error {
	const often = 200 * time.Millisecond
	// What is under way when the time is over is not cut off: it would be another
	// error than that the time is over.
	err := wait.PollUntilContextTimeout(ctx, often, timeout, true, func(context.Context) (bool, error) {
		err := c.Get(ctx, client.ObjectKeyFromObject(u), u)
		reason, _ := unready(u)
		return reason == "", err
	})
	reason, message := unready(u)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return exit.With(exit.Interrupted, fmt.Errorf("stopped waiting for DevServerUser %s, which is there: devctl users list -o wide tells how it stands", u.Name))
	case errors.Is(err, context.DeadlineExceeded):
		return exit.With(exit.TimedOut, fmt.Errorf("DevServerUser %s is there, and not ready after %s: %s: %s", u.Name, timeout, reason, message))
	}
	return explain(err, "waiting for DevServerUser "+u.Name)
}
