package desired

import (
	"cmp"

	appsv1 "k8s.io/api/apps/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"devserver.io/devserver/internal/objects"
)

// revisionHistory is how many old pod templates are kept. Nothing rolls back to
// them, but one is required to detect that a pod does not have the newest
// template.
const revisionHistory = 1

// StatefulSet runs the server's one pod and creates its home's claim.
//
// OnDelete: a new template never kills a running server. Retain: the claim
// outlives the StatefulSet.
func StatefulSet(in Input) (*appsv1ac.StatefulSetApplyConfiguration, error) {
	d := in.DevServer
	template, err := podTemplate(in)
	if err != nil {
		return nil, err
	}
	annotations := ownerAnnotation(d)
	annotations[objects.AnnotationSecretHash] = cmp.Or(in.DeliveredHash, SecretHash(in))
	replicas := int32(1)
	if in.Suspended {
		replicas = 0
	}
	spec := appsv1ac.StatefulSetSpec().
		WithReplicas(replicas).
		WithServiceName(objects.HeadlessServiceName(d.Name)).
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(objects.Selector(d.Name))).
		WithPodManagementPolicy(appsv1.ParallelPodManagement).
		WithUpdateStrategy(appsv1ac.StatefulSetUpdateStrategy().
			WithType(appsv1.OnDeleteStatefulSetStrategyType)).
		WithRevisionHistoryLimit(revisionHistory).
		WithPersistentVolumeClaimRetentionPolicy(
			appsv1ac.StatefulSetPersistentVolumeClaimRetentionPolicy().
				WithWhenDeleted(appsv1.RetainPersistentVolumeClaimRetentionPolicyType).
				WithWhenScaled(appsv1.RetainPersistentVolumeClaimRetentionPolicyType)).
		WithTemplate(template)
	if objects.HasOwnClaim(d) {
		spec.WithVolumeClaimTemplates(homeTemplate(in))
	}
	return appsv1ac.StatefulSet(objects.StatefulSetName(d.Name), d.Namespace).
		WithLabels(objects.Labels(d.Name)).
		WithAnnotations(annotations).
		WithOwnerReferences(objects.ControlledBy("DevServer", d)).
		WithSpec(spec), nil
}
