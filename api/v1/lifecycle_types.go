package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExpireAction is what happens to a server when its time to live ends.
//
// +kubebuilder:validation:Enum=Suspend;Delete
type ExpireAction string

const (
	// ExpireSuspend stops the server and keeps the DevServer. Its owner can
	// start it again.
	ExpireSuspend ExpireAction = "Suspend"
	// ExpireDelete deletes the DevServer. Its home volume stays unless
	// home.retentionPolicy is Delete.
	ExpireDelete ExpireAction = "Delete"
)

// LifecycleSpec is when a server stops automatically, and when its DevServer is
// deleted.
//
// A stopped server keeps its home directory, name, keys and Services. Its
// processes end, and its CPUs, memory and GPUs are released. If the DevServer
// leaves out a field, the flavor's value applies, else the operator's default.
// If neither is set, the server never stops for that reason. The flavor's
// lifecycleBounds limit all of them. An edit takes effect at once without a
// restart.
//
// Durations consist of hours, minutes and seconds, such as "8h" or "1h30m",
// from one minute to ten years (87600h).
type LifecycleSpec struct {
	// timeToLive is how long the server runs after a start before it expires,
	// for example "72h", even if it is active. Each restart, and each start
	// after an eviction, begins a new time to live. A keep-awake (see
	// idleTimeout) that ends later delays the expiry, within the flavor's
	// bounds. status.expiresAt shows the time. From 1m to 87600h. Default: the
	// flavor's, else the operator's, else never.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="timeToLive must be a duration from 1m to 87600h, such as 72h or 1h30m"
	TimeToLive *metav1.Duration `json:"timeToLive,omitempty"`

	// onExpire is what happens when the time to live ends: Suspend stops the
	// server until its owner starts it again with restartedAt. Delete deletes
	// the DevServer; its home volume stays unless home.retentionPolicy is
	// Delete. Default: the flavor's, else Suspend.
	//
	// +optional
	OnExpire ExpireAction `json:"onExpire,omitempty"`

	// idleTimeout is how long the server may be idle before it is suspended,
	// for example "2h". Activity is terminal input and output, traffic on SSH
	// connections, CPU and GPU use, and what a process in the server declares
	// with `devserver-agent keep`. An open connection without traffic is not
	// activity. A server whose activity is unknown counts as active. A server
	// whose container cannot run counts as idle. From 1m to 87600h. Default:
	// the flavor's, else the operator's, else never.
	//
	// Any renewal of the Lease with the server's name resumes a server that was
	// suspended by its idle timeout or schedule. A connection through the
	// gateway and `devctl start` renew it. The Lease also stores the last
	// activity (renewTime) and the time until which the server is kept awake
	// (acquireTime plus leaseDurationSeconds).
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="idleTimeout must be a duration from 1m to 87600h, such as 2h or 45m"
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`

	// deleteAfterSuspended is how long the server may be suspended or expired,
	// for any reason, before the DevServer is deleted, for example "720h" for
	// thirty days. Its home volume stays unless home.retentionPolicy is Delete.
	// status.deletesAt shows the time. From 1m to 87600h. Default: the
	// flavor's, else never.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="deleteAfterSuspended must be a duration from 1m to 87600h, such as 720h"
	DeleteAfterSuspended *metav1.Duration `json:"deleteAfterSuspended,omitempty"`

	// schedule starts and stops the server at fixed times. Default: the
	// flavor's, else none.
	//
	// +optional
	Schedule *Schedule `json:"schedule,omitempty"`

	// activity contains the thresholds at which CPU use, GPU use and SSH
	// traffic count as activity. Default: for each threshold, the flavor's,
	// else the one in its description.
	//
	// +optional
	Activity *ActivityThresholds `json:"activity,omitempty"`

	// terminationGracePeriodSeconds is how many seconds processes have to end
	// after SIGTERM before they are killed, whenever the server stops. A change
	// takes effect at the next start. From 5 to 3600. Default: the flavor's,
	// else 30.
	//
	// +optional
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=3600
	TerminationGracePeriodSeconds int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// Schedule starts and stops a server at fixed times.
//
// +kubebuilder:validation:XValidation:rule="has(self.start) || has(self.stop)",message="schedule requires start or stop"
type Schedule struct {
	// start is when the server starts if it was suspended for being idle or
	// because of stop. It is a cron expression with minute, hour, day of the
	// month, month and day of the week: "0 8 * * 1-5" is 08:00 from Monday to
	// Friday. It does not start a server that its owner suspended or that
	// expired. Default: none.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Start string `json:"start,omitempty"`

	// stop is the time after which an idle server is suspended, as a cron
	// expression: "0 20 * * *" is 20:00 every day. From this time until the
	// next start, the server is suspended as soon as it has been idle for 15
	// minutes. This does not apply to a server that was started or resumed
	// after that time. Default: none.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Stop string `json:"stop,omitempty"`

	// timeZone is the IANA time zone of start and stop, for example
	// "Europe/Berlin". At the start of daylight saving time, a time that is
	// skipped occurs later by the length of the skip. At its end, a time that
	// occurs twice counts twice. Default "UTC".
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// ActivityThresholds are the thresholds of activity. A server that reaches one
// of them, measured over one minute, counts as active.
type ActivityThresholds struct {
	// cpuMillis is the CPU use at which the server counts as active, in
	// thousandths of one core. It is the sum over all processes of the server.
	// From 1 to 1000000. Default 100.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	CPUMillis int64 `json:"cpuMillis,omitempty"`

	// gpuPercent is the utilization of the busiest GPU at which the server
	// counts as active, in percent. From 1 to 100, or 101 to ignore GPUs. GPU
	// slices (MIG) do not report their utilization, so a server with a slice
	// counts as active unless it ignores GPUs. Default 2.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=101
	GPUPercent int64 `json:"gpuPercent,omitempty"`

	// sshBytes is the traffic at which the server counts as active, in bytes
	// per minute. It is the sum over all SSH connections in both directions,
	// without terminals, where every key counts as activity. Set it above the
	// heartbeats of editors. From 1 to 1099511627776. Default 65536.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1099511627776
	SSHBytes int64 `json:"sshBytes,omitempty"`
}

// LifecycleBounds limit the lifecycle of servers of a flavor, including the
// defaults of fields that a server leaves out.
type LifecycleBounds struct {
	// timeToLive limits lifecycle.timeToLive, for example {max: 168h}. With a
	// max, every server expires.
	//
	// +optional
	TimeToLive *DurationBounds `json:"timeToLive,omitempty"`

	// idleTimeout limits lifecycle.idleTimeout, for example {max: 4h}. With a
	// max, every idle server is suspended.
	//
	// +optional
	IdleTimeout *DurationBounds `json:"idleTimeout,omitempty"`

	// deleteAfterSuspended limits lifecycle.deleteAfterSuspended, for example
	// {min: 168h}. With a max, every server that is suspended for that long is
	// deleted.
	//
	// +optional
	DeleteAfterSuspended *DurationBounds `json:"deleteAfterSuspended,omitempty"`

	// activity limits lifecycle.activity. A min prevents thresholds so low that
	// a server is always active. A max prevents thresholds so high that real
	// activity is ignored. The defaults are limited too.
	//
	// +optional
	Activity *ActivityBounds `json:"activity,omitempty"`

	// maxKeep is the longest time that a server can be kept awake at once,
	// counted from when the keep-awake was requested, for example "24h". From
	// 1m to 87600h. Default: no limit.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="maxKeep must be a duration from 1m to 87600h, such as 24h"
	MaxKeep *metav1.Duration `json:"maxKeep,omitempty"`
}

// ActivityBounds limit the activity thresholds, each in its own unit.
type ActivityBounds struct {
	// cpuMillis limits lifecycle.activity.cpuMillis, in thousandths of one
	// core.
	//
	// +optional
	CPUMillis *ThresholdBounds `json:"cpuMillis,omitempty"`

	// gpuPercent limits lifecycle.activity.gpuPercent, in percent. With a max
	// of 100 or less, servers cannot ignore GPUs.
	//
	// +optional
	GPUPercent *ThresholdBounds `json:"gpuPercent,omitempty"`

	// sshBytes limits lifecycle.activity.sshBytes, in bytes.
	//
	// +optional
	SSHBytes *ThresholdBounds `json:"sshBytes,omitempty"`
}

// ThresholdBounds are a minimum and a maximum threshold.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",message="min must not be above max"
type ThresholdBounds struct {
	// min is the minimum threshold, for example 50. From 1 to 1099511627776.
	// Default: none.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1099511627776
	Min int64 `json:"min,omitempty"`

	// max is the maximum threshold, for example 1000. From 1 to 1099511627776.
	// Default: none.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1099511627776
	Max int64 `json:"max,omitempty"`
}

// DurationBounds are a minimum and a maximum duration.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || !self.min.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') || !self.max.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') || self.min.size() == 0 || self.max.size() == 0 || duration(self.min) <= duration(self.max)",message="min must not be above max"
type DurationBounds struct {
	// min is the minimum duration, for example "30m". From 1m to 87600h.
	// Default: none.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="min must be a duration from 1m to 87600h, such as 30m"
	Min *metav1.Duration `json:"min,omitempty"`

	// max is the maximum duration, for example "168h". From 1m to 87600h.
	// Default: none.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="max must be a duration from 1m to 87600h, such as 168h"
	Max *metav1.Duration `json:"max,omitempty"`
}
