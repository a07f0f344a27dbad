package cluster

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/cli/exit"
)

// Explain says what an error of the API server means for the user who was
// doing something, and gives it its exit code.
func Explain(err error, doing string) error {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status) && isMissingAPI(status.Status()):
		return fmt.Errorf("%s: this cluster has no DevServers: install the chart devserver-operator, or choose another cluster with --context", doing)
	case errors.Is(err, context.Canceled):
		return exit.With(exit.Interrupted, fmt.Errorf("%s: interrupted", doing))
	case errors.As(err, &status) && isMissingNamespace(status.Status()):
		return exit.With(exit.NotFound, fmt.Errorf("%s: there is no such namespace: name another with -n", doing))
	case apierrors.IsNotFound(err):
		return exit.With(exit.NotFound, fmt.Errorf("%s: there is none: devctl list -A shows which there are", doing))
	case apierrors.IsInvalid(err) && errors.As(err, &status):
		return exit.With(exit.Refused, fmt.Errorf("%s: %s", doing, invalid(status.Status())))
	case apierrors.IsForbidden(err) && admission(err) != "":
		return exit.With(exit.Refused, fmt.Errorf("%s: %s", doing, admission(err)))
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return exit.With(exit.Refused, fmt.Errorf("%s: %w: ask the cluster's admin for access", doing, err))
	case apierrors.ReasonForError(err) == metav1.StatusReasonUnknown:
		return fmt.Errorf("%s: %w: check the cluster with kubectl cluster-info, or choose another with --context", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isMissingAPI tells a resource that the API server does not know from an
// object that is not there, which has a name.
func isMissingAPI(status metav1.Status) bool {
	return status.Reason == metav1.StatusReasonNotFound && (status.Details == nil || status.Details.Name == "")
}

// isMissingNamespace tells the namespace of an object from the object.
func isMissingNamespace(status metav1.Status) bool {
	return status.Reason == metav1.StatusReasonNotFound && status.Details != nil && status.Details.Kind == "namespaces"
}

// admission is why a quota or a policy refused what one has the right to, in
// its own words; empty where that is not so.
func admission(err error) string {
	if _, quota, ok := strings.Cut(err.Error(), "is forbidden: exceeded quota: "); ok {
		return "exceeded quota: " + quota + ": delete a server that nobody needs any more, or ask the cluster's admin for a larger quota"
	}
	_, policy, _ := strings.Cut(err.Error(), " denied request: ")
	return policy
}

// wrongValue is how the API server begins when it refuses a value.
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
