package desired

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// snapshotGroup is the API group of VolumeSnapshots.
const snapshotGroup = "snapshot.storage.k8s.io"

// homeTemplate is the template of the home's claim. Its labels and annotations
// are copied to the claim, where they record whose home it is.
func homeTemplate(in Input) *corev1ac.PersistentVolumeClaimApplyConfiguration {
	d := in.DevServer
	spec := corev1ac.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithResources(corev1ac.VolumeResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceStorage: in.HomeRequest}))
	if class := objects.Home(d).StorageClassName; class != nil {
		spec.WithStorageClassName(*class)
	}
	if source := objects.Home(d).DataSource; source != nil {
		ac := corev1ac.TypedLocalObjectReference().WithKind(source.Kind).WithName(source.Name)
		if source.Kind == "VolumeSnapshot" {
			ac.WithAPIGroup(snapshotGroup)
		}
		spec.WithDataSource(ac)
	}
	annotations := ownerAnnotation(d)
	if in.UID != agentapi.UID {
		annotations[objects.AnnotationUID] = strconv.FormatInt(in.UID, 10)
	}
	claim := corev1ac.PersistentVolumeClaim(objects.HomeVolume, "").
		WithLabels(objects.Labels(d.Name)).
		WithAnnotations(annotations).
		WithSpec(spec)
	// The template is not an object: it has neither kind nor namespace, and
	// what the API server would drop must not look like a difference.
	claim.Kind, claim.APIVersion, claim.Namespace = nil, nil, nil
	return claim
}

// SourceKind is the kind of a data source.
func SourceKind(source *devv1.HomeDataSource) schema.GroupVersionKind {
	if source.Kind == "VolumeSnapshot" {
		return schema.GroupVersionKind{Group: snapshotGroup, Version: "v1", Kind: source.Kind}
	}
	return corev1.SchemeGroupVersion.WithKind(source.Kind)
}

// homeVolumeSource is the home of a pod whose StatefulSet has no template for
// it, or nil.
func homeVolumeSource(d *devv1.DevServer) *corev1ac.VolumeApplyConfiguration {
	switch volume := corev1ac.Volume().WithName(objects.HomeVolume); {
	case objects.Home(d).Ephemeral:
		return volume.WithEmptyDir(corev1ac.EmptyDirVolumeSource().WithSizeLimit(d.Spec.PersistentHomeSize))
	case objects.Home(d).ClaimName != "":
		return volume.WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(objects.Home(d).ClaimName))
	default:
		return nil
	}
}

// HomeClaim is how the DevServer changes the claim that was made from its
// template: its size, if it may grow, and whether it is deleted with the
// DevServer. It is nil if nothing changes. It never creates a claim: the uid is
// that of the live one.
func HomeClaim(d *devv1.DevServer, live *corev1.PersistentVolumeClaim, mayGrow bool) *corev1ac.PersistentVolumeClaimApplyConfiguration {
	size, asked := d.Spec.PersistentHomeSize, live.Spec.Resources.Requests[corev1.ResourceStorage]
	// A claim without a volume cannot be changed.
	grows := mayGrow && live.Status.Phase == corev1.ClaimBound && size.Cmp(asked) > 0
	goes := objects.Home(d).RetentionPolicy == devv1.HomeDelete
	if !grows && goes == ownedBy(live, d.UID) {
		return nil
	}
	if !grows {
		size = asked
	}
	claim := corev1ac.PersistentVolumeClaim(live.Name, live.Namespace).
		WithUID(live.UID).
		WithSpec(corev1ac.PersistentVolumeClaimSpec().
			WithResources(corev1ac.VolumeResourceRequirements().
				WithRequests(corev1.ResourceList{corev1.ResourceStorage: size})))
	if goes {
		// Not its controller: the garbage collector deletes it with the DevServer,
		// and nothing else about it changes.
		claim.WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(devv1.GroupVersion.String()).
			WithKind("DevServer").
			WithName(d.Name).
			WithUID(d.UID))
	}
	return claim
}

func ownedBy(claim *corev1.PersistentVolumeClaim, uid types.UID) bool {
	return slices.ContainsFunc(claim.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == uid })
}
