package v1

// HomeRetentionPolicy is what happens to the home volume when its DevServer is
// deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete
type HomeRetentionPolicy string

const (
	// HomeRetain keeps the home volume when its DevServer is deleted.
	HomeRetain HomeRetentionPolicy = "Retain"
	// HomeDelete deletes the home volume with its DevServer.
	HomeDelete HomeRetentionPolicy = "Delete"
)

// HomeSpec is the volume that holds the home directory, and whether it is
// deleted with the DevServer.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ephemeral) || !self.ephemeral || (!has(self.claimName) && !has(self.storageClassName) && !has(self.dataSource) && !has(self.retentionPolicy))",message="home.ephemeral cannot be combined with claimName, storageClassName, dataSource or retentionPolicy: an ephemeral home has no volume"
// +kubebuilder:validation:XValidation:rule="!has(self.claimName) || (!has(self.storageClassName) && !has(self.dataSource) && !has(self.retentionPolicy))",message="home.claimName cannot be combined with storageClassName, dataSource or retentionPolicy: an existing claim is neither created nor deleted"
type HomeSpec struct {
	// storageClassName is the StorageClass of the home volume, for example
	// "fast-ssd". It is used when the volume is created, and cannot be changed,
	// added or removed afterwards. Default: the cluster's default StorageClass.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`

	// retentionPolicy is what happens to the home volume when the DevServer is
	// deleted. Retain keeps it for a DevServer that is created again with the
	// same name, namespace and owner. Delete deletes it permanently. It can be
	// changed at any time. Default Retain.
	//
	// +optional
	RetentionPolicy HomeRetentionPolicy `json:"retentionPolicy,omitempty"`

	// claimName is the name of an existing PersistentVolumeClaim in the
	// server's namespace to use as the home directory. The claim must have the
	// annotation devserver.io/owner with the owner of the DevServer, and no
	// other pod may use it at the same time. The operator never deletes or
	// resizes it. It cannot be changed, added or removed. Default: the operator
	// creates the claim home-NAME-0.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`

	// dataSource is a VolumeSnapshot or another PersistentVolumeClaim that a
	// new home volume is copied from, for example {kind: VolumeSnapshot, name:
	// friday}. It is used when the volume is created, and cannot be changed,
	// added or removed afterwards. Default: an empty volume.
	//
	// +optional
	DataSource *HomeDataSource `json:"dataSource,omitempty"`

	// ephemeral puts the home directory on the node's own disk, where it is
	// deleted with the pod: at every stop, suspension and restart.
	// persistentHomeSize is then the maximum size of its contents. It cannot be
	// changed. Default false.
	//
	// +optional
	Ephemeral bool `json:"ephemeral,omitempty"`
}

// HomeDataSource is what a new home volume is copied from.
type HomeDataSource struct {
	// kind is VolumeSnapshot (of snapshot.storage.k8s.io) or
	// PersistentVolumeClaim.
	//
	// +required
	// +kubebuilder:validation:Enum=VolumeSnapshot;PersistentVolumeClaim
	Kind string `json:"kind,omitempty"`

	// name is the name of the snapshot or claim, in the server's namespace. It
	// must have the annotation devserver.io/owner with the owner of the
	// DevServer. The operator puts this annotation on the claims that it
	// creates for home directories. 1 to 253 characters.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// VolumeMount mounts a PersistentVolumeClaim.
type VolumeMount struct {
	// claimName is the name of an existing PersistentVolumeClaim in the
	// server's namespace, for example "datasets". If it does not exist, the
	// Ready condition reports ClaimNotFound, and the server starts when the
	// claim is created. 1 to 253 characters.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`

	// mountPath is the absolute path to mount the volume at, for example
	// "/data". It must not be "/", "/home/dev", or at or below /dev, /etc,
	// /opt/devserver, /proc or /sys, because the server itself uses them.
	// "/data" and "/data/" are the same. 1 to 512 characters.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^/[^:\\\\x00-\\\\x1f\\\\x7f]*$') && !self.matches('(^|/)[.][.](/|$)')",message="mountPath must be an absolute path without ':' and '..', such as /data"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^/([.]?/)*((dev|etc|proc|sys|opt/+devserver)(/.*)?|home/+dev/*)?$')",message="mountPath must not be a folder that the server itself needs: /, /home/dev, or anything in /dev, /etc, /opt/devserver, /proc and /sys"
	MountPath string `json:"mountPath,omitempty"`

	// readOnly mounts the volume for reading only. Default false.
	//
	// +optional
	ReadOnly bool `json:"readOnly,omitempty"`
}
