package status

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

func homeStatus(claim *corev1.PersistentVolumeClaim) *devv1.HomeStatus {
	if claim == nil {
		return nil
	}
	s := &devv1.HomeStatus{ClaimName: claim.Name}
	if capacity, ok := claim.Status.Capacity[corev1.ResourceStorage]; ok {
		s.Capacity = capacity.String()
	}
	return s
}

func setResizePending(c Conditions, d *devv1.DevServer, o Observed) {
	reason, message := resize(d, o)
	c.Set(devv1.ConditionResizePending, conditionStatus(reason != devv1.ReasonSizeAsRequested), reason, message)
}

// resize says how far the home's volume is from the requested size.
func resize(d *devv1.DevServer, o Observed) (reason, message string) {
	asRequested := "The home directory's volume has the requested size."
	if o.Home == nil || !objects.HasOwnClaim(d) {
		return devv1.ReasonSizeAsRequested, asRequested
	}
	capacity, ok := o.Home.Status.Capacity[corev1.ResourceStorage]
	if want := d.Spec.PersistentHomeSize; !ok || capacity.Cmp(want) >= 0 {
		return devv1.ReasonSizeAsRequested, asRequested
	}
	if o.HomeRefused != nil {
		return o.HomeRefused.Reason, o.HomeRefused.Message
	}
	want := d.Spec.PersistentHomeSize.String()
	switch o.Home.Status.AllocatedResourceStatuses[corev1.ResourceStorage] {
	case corev1.PersistentVolumeClaimControllerResizeInfeasible, corev1.PersistentVolumeClaimNodeResizeInfeasible:
		return devv1.ReasonResizeFailed, fmt.Sprintf("The storage cannot make the home directory's volume %s large: kubectl describe pvc %s", want, o.Home.Name)
	}
	for _, c := range o.Home.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case corev1.PersistentVolumeClaimFileSystemResizePending:
			return devv1.ReasonFileSystemResizePending, fmt.Sprintf("The home directory's volume is %s large. Its file system grows in a moment, or at the server's next start if the storage cannot do that while the volume is in use.", want)
		case corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError:
			return devv1.ReasonResizeFailed, fmt.Sprintf("The storage failed to make the home directory's volume %s large, and tries again: %s", want, c.Message)
		}
	}
	return devv1.ReasonResizing, fmt.Sprintf("The storage is making the home directory's volume %s large.", want)
}
