package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// FlavorSchedulable says whether a server of a flavor would find a node.
//
// +kubebuilder:validation:Enum="Yes";"No";Autoscaled;Unknown
type FlavorSchedulable string

const (
	// SchedulableYes: a node has room for one more server now.
	SchedulableYes FlavorSchedulable = "Yes"
	// SchedulableNo: no node has room, and none would be added.
	SchedulableNo FlavorSchedulable = "No"
	// SchedulableAutoscaled: no node has room now, and a Karpenter NodePool
	// would add one.
	SchedulableAutoscaled FlavorSchedulable = "Autoscaled"
	// SchedulableUnknown: it cannot be computed, because something that only
	// the scheduler knows decides, such as another scheduler.
	SchedulableUnknown FlavorSchedulable = "Unknown"
)

// Types of conditions of a DevServerFlavor.
const (
	// ConditionSchedulable is True while a server of the flavor would find a
	// node, be it one that is added. Its message has the numbers.
	ConditionSchedulable = "Schedulable"
	// ConditionDefault is True for the flavor of servers that name none.
	ConditionDefault = "Default"
)

// Reasons of the Schedulable condition.
const (
	// ReasonFits: a node has room now.
	ReasonFits = "Fits"
	// ReasonNodePoolFits: a Karpenter NodePool would add a node with room.
	ReasonNodePoolFits = "NodePoolFits"
	// ReasonNoNodeMatches: no node has what the flavor selects, tolerates or
	// names, however empty it were.
	ReasonNoNodeMatches = "NoNodeMatches"
	// ReasonNodesFull: nodes match, and their room is taken.
	ReasonNodesFull = "NodesFull"
	// ReasonNotComputed: only the scheduler can tell.
	ReasonNotComputed = "NotComputed"
)

// Reasons of the Default condition.
const (
	// ReasonIsDefault: servers that name no flavor get this one.
	ReasonIsDefault = "IsDefault"
	// ReasonOlderDefault: it claims to be the default, and an older flavor does
	// too and is.
	ReasonOlderDefault = "OlderDefault"
	// ReasonNotDefault: it does not claim to be the default.
	ReasonNotDefault = "NotDefault"
)

// DevServerFlavorStatus is what the cluster has room for. It is computed from
// the nodes and from what their pods ask for, within seconds of a change; what
// else the scheduler looks at, such as volumes' zones, ports and quotas, is
// left to it.
type DevServerFlavorStatus struct {
	// conditions are Schedulable and Default.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// schedulable says whether one more server of this flavor would find a node:
	// Yes, No, Autoscaled (a node would be added for it) or Unknown.
	//
	// +optional
	Schedulable FlavorSchedulable `json:"schedulable,omitempty"`

	// fits is how many more servers of this flavor the nodes have room for now,
	// were nothing else started. Nodes that would be added are not counted.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Fits *int32 `json:"fits,omitempty"`

	// inUse is how many servers of this flavor have a pod that holds resources
	// or waits for them.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	InUse *int32 `json:"inUse,omitempty"`

	// observedGeneration is the metadata.generation that this status is about.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}
