package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExpireAction is what happens to a server whose time to live is over.
//
// +kubebuilder:validation:Enum=Suspend;Delete
type ExpireAction string

const (
	// ExpireSuspend stops the server and keeps it. Its owner starts it again.
	ExpireSuspend ExpireAction = "Suspend"
	// ExpireDelete deletes the DevServer. Its home directory stays, unless
	// home.retentionPolicy says otherwise.
	ExpireDelete ExpireAction = "Delete"
)

// LifecycleSpec says when a server stops by itself, and what becomes of it.
//
// A server that sleeps keeps its home directory, name, keys and Services; its
// processes end, and its CPUs, memory and GPUs are free for others. What is
// left out is the flavor's, else the operator's default, else never; the
// flavor's lifecycleBounds hold for all of them. An edit acts at once and
// restarts nothing.
//
// Durations are written in hours, minutes and seconds, such as "8h" or
// "1h30m", from one minute to ten years (87600h).
type LifecycleSpec struct {
	// timeToLive is how long the server runs after its start before it expires,
	// such as "72h", whatever it does. A start is also that by restartedAt or
	// after an eviction. status.expiresAt has the time; a keep (see idleTimeout)
	// that ends later defers it, within the flavor's bounds.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="timeToLive must be a duration from 1m to 87600h, such as 72h or 1h30m"
	TimeToLive *metav1.Duration `json:"timeToLive,omitempty"`

	// onExpire is what happens then: Suspend, which is the default, stops the
	// server until its owner starts it again, by restartedAt; Delete deletes the
	// DevServer.
	//
	// +optional
	OnExpire ExpireAction `json:"onExpire,omitempty"`

	// idleTimeout is how long the server may be without work before it is
	// suspended, such as "2h". Work is what is typed or printed on a terminal,
	// what SSH connections carry, CPU and GPU use, and what a process in the
	// server declares (devserver-agent keep). A connection alone is no work. A
	// server whose work cannot be told counts as at work; one whose container
	// cannot run has none.
	//
	// A server that was suspended for that is woken by whoever renews the Lease
	// of its name, as devctl start does. That Lease also has the last activity
	// (renewTime), and a keep, until which the server counts as at work:
	// acquireTime plus leaseDurationSeconds.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="idleTimeout must be a duration from 1m to 87600h, such as 2h or 45m"
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`

	// deleteAfterSuspended is how long the server may be suspended or expired,
	// for whatever reason, before the DevServer is deleted, such as "720h" for
	// thirty days. Its home directory stays, unless home.retentionPolicy says
	// otherwise. status.deletesAt has the time.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="deleteAfterSuspended must be a duration from 1m to 87600h, such as 720h"
	DeleteAfterSuspended *metav1.Duration `json:"deleteAfterSuspended,omitempty"`

	// schedule starts and stops the server at times of the day.
	//
	// +optional
	Schedule *Schedule `json:"schedule,omitempty"`

	// activity says what counts as work.
	//
	// +optional
	Activity *ActivityThresholds `json:"activity,omitempty"`

	// terminationGracePeriodSeconds is how long processes may take to end, after
	// SIGTERM, whenever the server stops. It counts from the next start on.
	// Default 30; from 5 to 3600.
	//
	// +optional
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=3600
	TerminationGracePeriodSeconds int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// Schedule starts and stops a server at times of the day.
//
// +kubebuilder:validation:XValidation:rule="has(self.start) || has(self.stop)",message="schedule needs a start or a stop"
type Schedule struct {
	// start is when a server that is suspended for want of work, or by stop, is
	// started, as a cron expression of minute, hour, day of the month, month and
	// day of the week: "0 8 * * 1-5". One that its owner suspended, or that
	// expired, is left alone.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Start string `json:"start,omitempty"`

	// stop is from when on the server is suspended as soon as it has been
	// without work for 15 minutes, until the next start: "0 20 * * *". A server
	// that was started or woken since is left alone.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Stop string `json:"stop,omitempty"`

	// timeZone is the IANA time zone of the times, such as "Europe/Berlin".
	// Default "UTC". Where clocks are set forward, a time that does not exist is
	// as much later as they are set; where they are set back, both count.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// ActivityThresholds are the least that counts as work, over one minute.
type ActivityThresholds struct {
	// cpuMillis is CPU time in thousandths of one core, of all processes of the
	// server together. Default 100; from 1 to 1000000.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	CPUMillis int64 `json:"cpuMillis,omitempty"`

	// gpuPercent is the utilisation of the busiest GPU. Default 2; from 1 to
	// 100, and 101 to leave GPUs out: slices of one (MIG) do not tell their
	// utilisation, and count as busy otherwise.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=101
	GPUPercent int64 `json:"gpuPercent,omitempty"`

	// sshBytes is what all SSH connections carry in both directions, beside
	// terminals, of which every key counts. It is to be above the heartbeats of
	// editors. Default 65536; from 1 to 1099511627776.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1099511627776
	SSHBytes int64 `json:"sshBytes,omitempty"`
}

// LifecycleBounds are what servers of a flavor may ask for, and what they get
// where they ask for nothing.
type LifecycleBounds struct {
	// timeToLive bounds lifecycle.timeToLive. With a max, every server expires.
	//
	// +optional
	TimeToLive *DurationBounds `json:"timeToLive,omitempty"`

	// idleTimeout bounds lifecycle.idleTimeout. With a max, every server is
	// suspended for want of work.
	//
	// +optional
	IdleTimeout *DurationBounds `json:"idleTimeout,omitempty"`

	// deleteAfterSuspended bounds lifecycle.deleteAfterSuspended. With a max, every
	// server that sleeps for so long is deleted.
	//
	// +optional
	DeleteAfterSuspended *DurationBounds `json:"deleteAfterSuspended,omitempty"`

	// activity bounds lifecycle.activity: with a min, nobody keeps a server at work
	// by a threshold that everything is above, and with a max nobody's work is
	// overlooked. The defaults are held to it too.
	//
	// +optional
	Activity *ActivityBounds `json:"activity,omitempty"`

	// maxKeep is the longest keep, counted from when it began. Default none.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="maxKeep must be a duration from 1m to 87600h, such as 24h"
	MaxKeep *metav1.Duration `json:"maxKeep,omitempty"`
}

// ActivityBounds bound the thresholds of work, each in its own unit.
type ActivityBounds struct {
	// cpuMillis bounds lifecycle.activity.cpuMillis, in thousandths of one core.
	//
	// +optional
	CPUMillis *ThresholdBounds `json:"cpuMillis,omitempty"`

	// gpuPercent bounds lifecycle.activity.gpuPercent. A max of 100 keeps GPUs from
	// being left out.
	//
	// +optional
	GPUPercent *ThresholdBounds `json:"gpuPercent,omitempty"`

	// sshBytes bounds lifecycle.activity.sshBytes.
	//
	// +optional
	SSHBytes *ThresholdBounds `json:"sshBytes,omitempty"`
}

// ThresholdBounds are the least and the greatest threshold that is allowed.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",message="min must not be above max"
type ThresholdBounds struct {
	// min is the least threshold, such as 50. Default none.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1099511627776
	Min int64 `json:"min,omitempty"`

	// max is the greatest threshold, such as 1000. Default none.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1099511627776
	Max int64 `json:"max,omitempty"`
}

// DurationBounds are the least and the greatest duration that is allowed.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || !self.min.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') || !self.max.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') || self.min.size() == 0 || self.max.size() == 0 || duration(self.min) <= duration(self.max)",message="min must not be above max"
type DurationBounds struct {
	// min is the least duration, such as 30m. Default none.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="min must be a duration from 1m to 87600h, such as 30m"
	Min *metav1.Duration `json:"min,omitempty"`

	// max is the greatest duration, such as 168h. Default none.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.size() > 0 && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="max must be a duration from 1m to 87600h, such as 168h"
	Max *metav1.Duration `json:"max,omitempty"`
}
