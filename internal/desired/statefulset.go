package desired

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// revisionHistory is how many old pod templates are kept. Nothing rolls back
// to them; one is needed to tell that the pod's template is not the newest.
const revisionHistory = 1

// StatefulSet runs the box's one pod and makes its home's claim.
//
// OnDelete: a new template never kills a running box. Retain: the claim
// outlives the StatefulSet, whatever deletes it.
func StatefulSet(in Input) *appsv1ac.StatefulSetApplyConfiguration {
	d := in.DevServer
	annotations := ownerAnnotation(d)
	annotations[AnnotationSecretHash] = SecretHash(in)
	return appsv1ac.StatefulSet(StatefulSetName(d.Name), d.Namespace).
		WithLabels(Labels(d.Name)).
		WithAnnotations(annotations).
		WithOwnerReferences(controlledBy(d)).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithReplicas(1).
			WithServiceName(HeadlessServiceName(d.Name)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(selector(d.Name))).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithUpdateStrategy(appsv1ac.StatefulSetUpdateStrategy().
				WithType(appsv1.OnDeleteStatefulSetStrategyType)).
			WithRevisionHistoryLimit(revisionHistory).
			WithPersistentVolumeClaimRetentionPolicy(
				appsv1ac.StatefulSetPersistentVolumeClaimRetentionPolicy().
					WithWhenDeleted(appsv1.RetainPersistentVolumeClaimRetentionPolicyType).
					WithWhenScaled(appsv1.RetainPersistentVolumeClaimRetentionPolicyType)).
			WithTemplate(podTemplate(in)).
			WithVolumeClaimTemplates(homeClaim(in)))
}

// homeClaim is the template of the home's claim. Its labels and annotations
// are copied to the claim, where they say whose home it is.
func homeClaim(in Input) *corev1ac.PersistentVolumeClaimApplyConfiguration {
	d := in.DevServer
	spec := corev1ac.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithResources(corev1ac.VolumeResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceStorage: d.Spec.PersistentHomeSize}))
	if d.Spec.Home != nil && d.Spec.Home.StorageClassName != nil {
		spec.WithStorageClassName(*d.Spec.Home.StorageClassName)
	}
	claim := corev1ac.PersistentVolumeClaim(homeVolume, "").
		WithLabels(Labels(d.Name)).
		WithAnnotations(ownerAnnotation(d)).
		WithSpec(spec)
	// The template is not an object: it has neither kind nor namespace, and
	// what the API server would drop must not look like a difference.
	claim.Kind, claim.APIVersion, claim.Namespace = nil, nil, nil
	return claim
}
