package status

import (
	"regexp"
	"strings"

	devv1 "devserver.io/devserver/api/v1"
)

// exceeded finds the numbers in the words of the quota admission plugin.
var exceeded = regexp.MustCompile(`exceeded quota: ([^,]+), requested: (.+), used: (.+), limited: (.+)$`)

// refused reads why the StatefulSet controller could not create the pod or the
// home's claim.
func refused(message string) state {
	// The names of the pod and the StatefulSet are no news.
	_, cause, found := strings.Cut(message, " is forbidden: ")
	if !found {
		return state{devv1.PhasePending, devv1.ReasonPodNotCreated, "The pod cannot be created: " + message}
	}
	if m := exceeded.FindStringSubmatch(cause); m != nil {
		return state{
			devv1.PhasePending, devv1.ReasonQuotaExceeded,
			"The namespace's ResourceQuota " + m[1] + " has no room for the server: it asks for " + m[2] + ", and of " + m[4] + " there is in use " + m[3] +
				". It starts once there is room: stop or delete another server, or ask for a larger quota.",
		}
	}
	return state{devv1.PhasePending, devv1.ReasonAdmissionRefused, "The cluster does not allow the server's pod: " + cause}
}
