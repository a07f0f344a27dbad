package v1

// HomeRetentionPolicy says what becomes of the home directory.
//
// +kubebuilder:validation:Enum=Retain;Delete
type HomeRetentionPolicy string

const (
	// HomeRetain keeps the home directory when its DevServer is deleted.
	HomeRetain HomeRetentionPolicy = "Retain"
	// HomeDelete deletes the home directory with its DevServer.
	HomeDelete HomeRetentionPolicy = "Delete"
)

// HomeSpec says what the home directory is on, and what becomes of it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ephemeral) || !self.ephemeral || (!has(self.claimName) && !has(self.storageClassName) && !has(self.dataSource) && !has(self.retentionPolicy))",message="home.ephemeral goes with none of claimName, storageClassName, dataSource and retentionPolicy: there is no volume to keep"
// +kubebuilder:validation:XValidation:rule="!has(self.claimName) || (!has(self.storageClassName) && !has(self.dataSource) && !has(self.retentionPolicy))",message="home.claimName goes with none of storageClassName, dataSource and retentionPolicy: the claim is there, and stays"
type HomeSpec struct {
	// storageClassName is the StorageClass of the home directory's volume. It
	// counts when the volume is created and cannot be changed or added
	// afterwards. Left out, it is the cluster's default StorageClass.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`

	// retentionPolicy says what becomes of the home directory when the
	// DevServer is deleted: Retain (the default) keeps it for one that is
	// created again with the same name, Delete deletes it for good. It can be
	// changed at any time.
	//
	// +optional
	RetentionPolicy HomeRetentionPolicy `json:"retentionPolicy,omitempty"`

	// claimName is the name of an existing PersistentVolumeClaim in this
	// namespace to be the home directory, instead of one of the DevServer's
	// own. It must be annotated with devserver.io/owner, the owner of the
	// DevServer, and no other pod may use it at the same time. It is never
	// deleted or resized with the DevServer, and cannot be changed.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`

	// dataSource is what a new home directory starts from: a copy of a
	// VolumeSnapshot or of another PersistentVolumeClaim. It counts when the
	// volume is created and cannot be changed or added afterwards.
	//
	// +optional
	DataSource *HomeDataSource `json:"dataSource,omitempty"`

	// ephemeral makes the home directory a folder of the node that is gone with
	// the pod: for servers without anything to keep. persistentHomeSize is then
	// the most that it may hold. It cannot be changed. Default false.
	//
	// +optional
	Ephemeral bool `json:"ephemeral,omitempty"`
}

// HomeDataSource is what a new home directory is a copy of.
type HomeDataSource struct {
	// kind is VolumeSnapshot (of snapshot.storage.k8s.io) or
	// PersistentVolumeClaim.
	//
	// +required
	// +kubebuilder:validation:Enum=VolumeSnapshot;PersistentVolumeClaim
	Kind string `json:"kind,omitempty"`

	// name of the snapshot or claim, in this namespace. It must be annotated
	// with devserver.io/owner, the owner of the DevServer, as the claims of
	// their home directories are.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// VolumeMount mounts a PersistentVolumeClaim.
type VolumeMount struct {
	// claimName is the name of an existing PersistentVolumeClaim in the
	// server's namespace. A claim that does not exist (yet) is said in the Ready
	// condition; the server starts once it does.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`

	// mountPath is where it is mounted, for example /data. Folders that the
	// server itself needs are refused: / and whatever is at or below /dev,
	// /etc, /opt/devserver, /proc and /sys, and /home/dev itself. "/data" and
	// "/data/" are the same.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^/[^:\\\\x00-\\\\x1f\\\\x7f]*$') && !self.matches('(^|/)[.][.](/|$)')",message="mountPath must be an absolute path without ':' and '..', such as /data"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^/([.]?/)*((dev|etc|proc|sys|opt/+devserver)(/.*)?|home/+dev/*)?$')",message="mountPath must not be a folder that the server itself needs: /, /home/dev, or anything in /dev, /etc, /opt/devserver, /proc and /sys"
	MountPath string `json:"mountPath,omitempty"`

	// readOnly mounts it for reading only. Default false.
	//
	// +optional
	ReadOnly bool `json:"readOnly,omitempty"`
}
