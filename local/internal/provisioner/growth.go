package provisioner

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// wanted is the size that a claim's volume should grow to. now is false if it should not grow yet.
func wanted(claim *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume) (size resource.Quantity, now bool) {
	if claim.Status.Phase != corev1.ClaimBound || pv.Spec.ClaimRef == nil || pv.Spec.ClaimRef.UID != claim.UID {
		return size, false
	}
	request, current := requested(claim), claim.Status.Capacity[corev1.ResourceStorage]
	if request.Cmp(current) <= 0 {
		return size, false
	}
	switch claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] {
	case corev1.PersistentVolumeClaimNodeResizePending, corev1.PersistentVolumeClaimNodeResizeInProgress:
		// The kubelet has not yet grown the file system to the previous size.
		return size, false
	}
	size = rounded(request)
	if actual := pv.Spec.Capacity[corev1.ResourceStorage]; actual.Cmp(size) > 0 {
		// The request was lowered after the disk had grown: disks do not shrink.
		size = actual
	}
	return size, true
}

// begun is the claim while its disk grows. From here on a quota counts the new size.
func begun(claim *corev1.PersistentVolumeClaim, now metav1.Time) (_ *corev1.PersistentVolumeClaim, changed bool) {
	request, allocated := requested(claim), claim.Status.AllocatedResources[corev1.ResourceStorage]
	if claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] == corev1.PersistentVolumeClaimControllerResizeInProgress && request.Cmp(allocated) == 0 {
		return claim, false
	}
	next := staged(claim, corev1.PersistentVolumeClaimControllerResizeInProgress)
	if next.Status.AllocatedResources == nil {
		next.Status.AllocatedResources = corev1.ResourceList{}
	}
	next.Status.AllocatedResources[corev1.ResourceStorage] = request
	next.Status.Conditions = conditions(next, condition(corev1.PersistentVolumeClaimResizing, "", now))
	return next, true
}

// failed is the claim whose disk could not grow.
func failed(claim *corev1.PersistentVolumeClaim, err error, now metav1.Time) (_ *corev1.PersistentVolumeClaim, changed bool) {
	for _, c := range claim.Status.Conditions {
		if c.Type == corev1.PersistentVolumeClaimControllerResizeError && c.Message == err.Error() {
			return claim, false
		}
	}
	next := claim.DeepCopy()
	next.Status.Conditions = conditions(next,
		condition(corev1.PersistentVolumeClaimResizing, "", now),
		condition(corev1.PersistentVolumeClaimControllerResizeError, err.Error(), now))
	return next, true
}

// grown is the claim whose disk has grown. The kubelet grows the file system.
func grown(claim *corev1.PersistentVolumeClaim, now metav1.Time) *corev1.PersistentVolumeClaim {
	next := staged(claim, corev1.PersistentVolumeClaimNodeResizePending)
	next.Status.Conditions = conditions(next,
		condition(corev1.PersistentVolumeClaimResizing, "", now),
		condition(corev1.PersistentVolumeClaimFileSystemResizePending, "The disk has grown; the file system grows with it once a pod uses the claim.", now))
	return next
}

func staged(claim *corev1.PersistentVolumeClaim, status corev1.ClaimResourceStatus) *corev1.PersistentVolumeClaim {
	next := claim.DeepCopy()
	if next.Status.AllocatedResourceStatuses == nil {
		next.Status.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{}
	}
	next.Status.AllocatedResourceStatuses[corev1.ResourceStorage] = status
	return next
}

func condition(kind corev1.PersistentVolumeClaimConditionType, message string, now metav1.Time) corev1.PersistentVolumeClaimCondition {
	return corev1.PersistentVolumeClaimCondition{Type: kind, Status: corev1.ConditionTrue, Message: message, LastTransitionTime: now}
}

// conditions replaces the conditions about size. A condition that stays keeps its time.
func conditions(claim *corev1.PersistentVolumeClaim, about ...corev1.PersistentVolumeClaimCondition) []corev1.PersistentVolumeClaimCondition {
	var next []corev1.PersistentVolumeClaimCondition
	for _, c := range claim.Status.Conditions {
		switch c.Type {
		case corev1.PersistentVolumeClaimResizing, corev1.PersistentVolumeClaimFileSystemResizePending,
			corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError:
			i := slices.IndexFunc(about, func(a corev1.PersistentVolumeClaimCondition) bool { return a.Type == c.Type })
			if i >= 0 {
				about[i].LastTransitionTime = c.LastTransitionTime
			}
		default:
			next = append(next, c)
		}
	}
	return append(next, about...)
}
