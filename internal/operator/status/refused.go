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
	// Without the names of the pod and the StatefulSet.
	_, cause, found := strings.Cut(message, " is forbidden: ")
	if !found {
		return state{devv1.PhasePending, devv1.ReasonPodNotCreated, "The pod cannot be created: " + message}
	}
	if m := exceeded.FindStringSubmatch(cause); m != nil {
		return state{
			devv1.PhasePending, devv1.ReasonQuotaExceeded,
			"ResourceQuota " + m[1] + " is exceeded: requested " + m[2] + ", used " + m[3] + ", limit " + m[4] +
				". Stop or delete another server, or ask an admin for a larger quota.",
		}
	}
	return state{devv1.PhasePending, devv1.ReasonAdmissionRefused, "The cluster does not allow the server's pod: " + cause}
}
