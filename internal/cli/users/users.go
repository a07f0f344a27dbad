package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// CreateOptions describe the user to add.
type CreateOptions struct {
	Username, Owner string
	Keys            keys.Options
	Quota           corev1.ResourceList
	Timeout         time.Duration
}

// explain is cluster.Explain for a user who may not be an admin.
func explain(err error, doing string) error {
	if apierrors.IsForbidden(err) {
		return exit.With(exit.Refused, fmt.Errorf("%s: only admins of the cluster can do this: %w", doing, err))
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
		_, err := output.Println(streams.ErrOut, "There are no users. To add one: devctl users create USERNAME --owner NAME --key FILE")
		return err
	}
	return format.PrintTable(table(&users, time.Now()), streams.Out)
}

func table(users *devserverv1.DevServerUserList, now time.Time) *metav1.Table {
	t := output.NewTable([]string{"Username", "Owner", "Namespace", "Keys", "Reason", "Age", "Message"}, "Message")
	for i := range users.Items {
		u := &users.Items[i]
		reason, message := unready(u)
		output.AddRow(t, u,
			u.Spec.Username, u.Spec.Owner, output.OrNone(u.Status.Namespace), len(u.Spec.PublicKeys), output.OrNone(reason),
			duration.HumanDuration(now.Sub(u.CreationTimestamp.Time)), output.OrNone(message))
	}
	return t
}

// unready is why a user cannot work yet; empty if they can.
func unready(u *devserverv1.DevServerUser) (reason, message string) {
	ready := meta.FindStatusCondition(u.Status.Conditions, devserverv1.ConditionReady)
	switch {
	case ready == nil:
		return "New", "the operator has not seen it yet"
	case ready.Status != metav1.ConditionTrue:
		return ready.Reason, ready.Message
	}
	return "", ""
}

func create(ctx context.Context, c client.Client, o CreateOptions, streams genericiooptions.IOStreams) error {
	u := &devserverv1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: o.Username}}
	u.Spec.Username, u.Spec.Owner, u.Spec.Quota = o.Username, o.Owner, o.Quota
	if o.Keys.Asked() { // Otherwise it would find the admin's own keys.
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
		return exit.With(exit.Refused, fmt.Errorf("%s: it exists already: to change it: kubectl edit devserveruser %s", doing, o.Username))
	}
	if err != nil {
		return explain(err, doing)
	}
	if err := provisioned(ctx, c, u, o.Timeout); err != nil {
		return err
	}
	_, err = output.Printf(streams.Out, "%s can work in namespace %s. To give them access: devctl users kubeconfig %s\n", o.Owner, u.Status.Namespace, o.Username)
	return err
}

// provisioned waits until the user can work.
func provisioned(ctx context.Context, c client.Client, u *devserverv1.DevServerUser, timeout time.Duration) error {
	const often = 200 * time.Millisecond
	// A request that is under way at the timeout is not canceled: its error would
	// hide that this is a timeout.
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
		return exit.With(exit.Interrupted, fmt.Errorf("stopped waiting for DevServerUser %s, which was created: devctl users list -o wide shows its state", u.Name))
	case errors.Is(err, context.DeadlineExceeded):
		return exit.With(exit.TimedOut, fmt.Errorf("DevServerUser %s was created, but is not ready after %s: %s: %s", u.Name, timeout, reason, message))
	}
	return explain(err, "waiting for DevServerUser "+u.Name)
}
