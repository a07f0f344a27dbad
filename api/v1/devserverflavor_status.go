package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// FlavorSchedulable is whether one more server of a flavor would find a node.
//
// +kubebuilder:validation:Enum="Yes";"No";Autoscaled;Unknown
type FlavorSchedulable string

const (
	// SchedulableYes: a node has room for one more server now.
	SchedulableYes FlavorSchedulable = "Yes"
	// SchedulableNo: no node has room, and no autoscaler would add one.
	SchedulableNo FlavorSchedulable = "No"
	// SchedulableAutoscaled: no node has room now, but a Karpenter NodePool
	// would add one.
	SchedulableAutoscaled FlavorSchedulable = "Autoscaled"
	// SchedulableUnknown: the operator cannot compute it, for example because
	// the flavor uses another scheduler.
	SchedulableUnknown FlavorSchedulable = "Unknown"
)

// Condition types of a DevServerFlavor.
const (
	// ConditionSchedulable is True while one more server of the flavor would
	// find a node, including a node that an autoscaler would add. Its message
	// has the numbers.
	ConditionSchedulable = "Schedulable"
	// ConditionDefault is True for the flavor of servers that name no flavor.
	ConditionDefault = "Default"
)

// Reasons of the Schedulable condition.
const (
	// ReasonFits: a node has room now.
	ReasonFits = "Fits"
	// ReasonNodePoolFits: a Karpenter NodePool would add a node with room.
	ReasonNodePoolFits = "NodePoolFits"
	// ReasonNoNodeMatches: no node could run the server even if it were empty,
	// because no node matches the flavor's nodeSelector, affinity, tolerations
	// and resources.
	ReasonNoNodeMatches = "NoNodeMatches"
	// ReasonNodesFull: nodes match, but none has enough free resources.
	ReasonNodesFull = "NodesFull"
	// ReasonNotComputed: only the scheduler can decide.
	ReasonNotComputed = "NotComputed"
)

// Reasons of the Default condition.
const (
	// ReasonIsDefault: servers that name no flavor get this one.
	ReasonIsDefault = "IsDefault"
	// ReasonOlderDefault: spec.default is true, but an older flavor with
	// spec.default is the default.
	ReasonOlderDefault = "OlderDefault"
	// ReasonNotDefault: spec.default is false.
	ReasonNotDefault = "NotDefault"
)

// DevServerFlavorStatus is the capacity that the cluster has for servers of a
// flavor. The operator computes it from the nodes and the resource requests of
// their pods, within seconds of a change. It does not consider everything that
// the scheduler does, such as the zones of volumes and host ports, and it
// ignores quotas.
type DevServerFlavorStatus struct {
	// conditions are Schedulable and Default.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// schedulable is whether one more server of this flavor would find a node:
	// Yes, No, Autoscaled (a node would be added for it) or Unknown.
	//
	// +optional
	Schedulable FlavorSchedulable `json:"schedulable,omitempty"`

	// fits is the number of additional servers of this flavor that the existing
	// nodes have room for now. Nodes that an autoscaler would add are not
	// counted.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Fits *int32 `json:"fits,omitempty"`

	// inUse is the number of servers of this flavor that have a pod, whether it
	// is running or waiting for resources.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	InUse *int32 `json:"inUse,omitempty"`

	// observedGeneration is the metadata.generation that this status describes.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}
