package provisioner

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// wanted is the size that a claim's volume is to grow to, if it is to grow now.
func wanted(claim *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume) (size resource.Quantity, now bool) {
	if claim.Status.Phase != corev1.ClaimBound || pv.Spec.ClaimRef == nil || pv.Spec.ClaimRef.UID != claim.UID {
		return size, false
	}
	asks, has := requested(claim), claim.Status.Capacity[corev1.ResourceStorage]
	if asks.Cmp(has) <= 0 {
		return size, false
	}
	switch claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] {
	case corev1.PersistentVolumeClaimNodeResizePending, corev1.PersistentVolumeClaimNodeResizeInProgress:
		// The kubelet has yet to grow the file system to the size before this one.
		return size, false
	}
	size = rounded(asks)
	if is := pv.Spec.Capacity[corev1.ResourceStorage]; is.Cmp(size) > 0 {
		// Somebody changed their mind after it grew: disks do not shrink.
		size = is
	}
	return size, true
}

// begun is the claim while its disk grows. It counts against a quota from here on.
func begun(claim *corev1.PersistentVolumeClaim, now metav1.Time) (_ *corev1.PersistentVolumeClaim, changed bool) {
	asks, allocated := requested(claim), claim.Status.AllocatedResources[corev1.ResourceStorage]
	if claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] == corev1.PersistentVolumeClaimControllerResizeInProgress && asks.Cmp(allocated) == 0 {
		return claim, false
	}
	next := staged(claim, corev1.PersistentVolumeClaimControllerResizeInProgress)
	if next.Status.AllocatedResources == nil {
		next.Status.AllocatedResources = corev1.ResourceList{}
	}
	next.Status.AllocatedResources[corev1.ResourceStorage] = asks
	next.Status.Conditions = conditions(next, condition(corev1.PersistentVolumeClaimResizing, "", now))
	return next, true
}

// failed is the claim whose disk did not grow.
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

// grown is the claim whose disk has grown: the kubelet does the rest.
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

// conditions replaces those that are about size. One that stays keeps its time.
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
