package cluster

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/exit"
)

// Explain puts an error of the API server into words for a user who was doing
// something, with what to do about it, and gives it its exit code. A remedy is
// one that the error calls for and that a user without further rights can follow.
func Explain(err error, doing string) error {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status) && isMissingAPI(status.Status()):
		return fmt.Errorf("%s: DevServer is not installed in this cluster: choose another cluster with --context, or ask an admin to install the Helm chart", doing)
	case errors.Is(err, context.Canceled):
		return exit.With(exit.Interrupted, fmt.Errorf("%s: interrupted", doing))
	case errors.As(err, &status) && isMissingNamespace(status.Status()):
		return exit.With(exit.NotFound, fmt.Errorf("%s: namespace %s does not exist: name another with -n", doing, status.Status().Details.Name))
	case apierrors.IsNotFound(err):
		return exit.With(exit.NotFound, fmt.Errorf("%s: %w", doing, err))
	case apierrors.IsInvalid(err) && errors.As(err, &status):
		return exit.With(exit.Refused, fmt.Errorf("%s: %s", doing, invalid(status.Status())))
	case apierrors.IsForbidden(err) && admission(err) != "":
		return exit.With(exit.Refused, fmt.Errorf("%s: %s", doing, admission(err)))
	case apierrors.IsForbidden(err):
		return exit.With(exit.Refused, fmt.Errorf("%s: %w: ask the cluster's admin for access", doing, err))
	case apierrors.IsUnauthorized(err):
		return exit.With(exit.Refused, fmt.Errorf("%s: the cluster does not accept your credentials: log in to it again, or choose another with --context", doing))
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: another client changed it at the same time: repeat the command", doing)
	case apierrors.ReasonForError(err) == metav1.StatusReasonUnknown:
		return fmt.Errorf("%s: %w: check the connection with devctl doctor, or choose another cluster with --context", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// ExplainList is Explain for a list of one namespace or of all. Most users have rights
// in single namespaces only.
func ExplainList(err error, doing string, all bool) error {
	if all && apierrors.IsForbidden(err) {
		return exit.With(exit.Refused, fmt.Errorf("%s: you may not read all namespaces: leave out -A, or choose a namespace with -n", doing))
	}
	return Explain(err, doing)
}

// isMissingAPI tells whether the API server does not know the kind. If only the
// object does not exist, the status has its name.
func isMissingAPI(status metav1.Status) bool {
	return status.Reason == metav1.StatusReasonNotFound && (status.Details == nil || status.Details.Name == "")
}

// isMissingNamespace tells whether the object's namespace does not exist.
func isMissingNamespace(status metav1.Status) bool {
	return status.Reason == metav1.StatusReasonNotFound && status.Details != nil && status.Details.Kind == "namespaces"
}

// exceeded is how the API server reports a quota that is used up.
var exceeded = regexp.MustCompile(`is forbidden: exceeded quota: ([^,]+), requested: (.+), used: (.+), limited: (.+)$`)

// admission is the reason why a quota or a policy refused a request that the
// user has the right to make; empty if the right is missing.
func admission(err error) string {
	if quota := exceeded.FindStringSubmatch(err.Error()); quota != nil {
		return fmt.Sprintf("ResourceQuota %s is exceeded: requested %s, used %s, limit %s: delete a server that you no longer need, or ask an admin for a larger quota",
			quota[1], quota[2], quota[3], quota[4])
	}
	_, policy, _ := strings.Cut(err.Error(), " denied request: ")
	return policy
}

// wrongValue is the beginning of a message about a value that the API server
// refuses.
var wrongValue = regexp.MustCompile(`^Invalid value: (?:"(?:[^"\\]|\\.)*": |[^" :]+: )?`)

// invalid says what is wrong with an object, in the API's own words.
func invalid(status metav1.Status) string {
	if status.Details == nil || len(status.Details.Causes) == 0 {
		return status.Message
	}
	var words []string
	for _, cause := range status.Details.Causes {
		text := wrongValue.ReplaceAllString(cause.Message, "")
		// Most rules name their field themselves.
		if last := cause.Field[strings.LastIndexByte(cause.Field, '.')+1:]; cause.Field != "<nil>" && !strings.Contains(text, last) {
			text = cause.Field + ": " + text
		}
		words = append(words, text)
	}
	return strings.Join(words, "; ")
}
