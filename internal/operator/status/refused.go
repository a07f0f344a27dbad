package status

import (
	"regexp"
	"strings"

	devv1 "devserver.io/devserver/api/v1"
)

// exceeded finds the numbers in the words of the quota admission plugin.
var exceeded = regexp.MustCompile(`exceeded quota: ([^,]+), requested: (.+), used: (.+), limited: (.+)$`)

// blamesSSH matches refusals that the SSH server's container may have caused. Their message
// says that a value is above the maximum of a LimitRange, but not in which container. The
// operator raises the values of this container to everything else that quotas and
// LimitRanges require of it.
var blamesSSH = regexp.MustCompile(`maximum \S+ usage per Container is`)

// refused reads why the StatefulSet controller could not create the pod or the home's
// claim. flavor is the server's flavor.
func refused(message, flavor string) state {
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
	why := "The cluster does not allow the server's pod: " + cause
	if blamesSSH.MatchString(cause) {
		why = strings.TrimSuffix(why, ".") + ". If the container ssh is the cause, an admin can set other requests and limits for it, in spec.sshResources of the DevServerFlavor " + flavor + "."
	}
	return state{devv1.PhasePending, devv1.ReasonAdmissionRefused, why}
}
