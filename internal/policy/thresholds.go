package policy

import (
	"cmp"
	"strconv"

	"k8s.io/utils/ptr"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
)

// threshold is one of the thresholds of work: what a DevServer and its flavor
// say, which is 0 for nothing, and the flavor's bounds.
type threshold struct {
	field       string
	own, theirs int64
	usual       int64
	bounds      *devv1.ThresholdBounds
}

func thresholdsOf(own, theirs *devv1.ActivityThresholds, bounds *devv1.ActivityBounds) (cpu, gpu, ssh threshold) {
	mine, flavors := ptr.Deref(own, devv1.ActivityThresholds{}), ptr.Deref(theirs, devv1.ActivityThresholds{})
	within := ptr.Deref(bounds, devv1.ActivityBounds{})
	return threshold{"activity.cpuMillis", mine.CPUMillis, flavors.CPUMillis, agentapi.DefaultCPUMillis, within.CPUMillis},
		threshold{"activity.gpuPercent", mine.GPUPercent, flavors.GPUPercent, agentapi.DefaultGPUPercent, within.GPUPercent},
		threshold{"activity.sshBytes", mine.SSHBytes, flavors.SSHBytes, agentapi.DefaultSSHBytes, within.SSHBytes}
}

// thresholds are those that hold.
func thresholds(own, theirs *devv1.ActivityThresholds, bounds *devv1.ActivityBounds) agentapi.Thresholds {
	cpu, gpu, ssh := thresholdsOf(own, theirs, bounds)
	return agentapi.Thresholds{CPUMillis: cpu.holds(), GPUPercent: gpu.holds(), SSHBytes: ssh.holds()}
}

func (t threshold) holds() int64 { return t.within(cmp.Or(t.own, t.theirs, t.usual)) }

func (t threshold) within(n int64) int64 {
	if t.bounds == nil {
		return n
	}
	n = max(n, t.bounds.Min)
	if t.bounds.Max > 0 {
		n = min(n, t.bounds.Max)
	}
	return n
}

// beyondThresholds is the first of a DevServer's own thresholds that is beyond
// the flavor's bounds.
func beyondThresholds(flavor string, bounds *devv1.ActivityBounds, own *devv1.ActivityThresholds) *Violation {
	cpu, gpu, ssh := thresholdsOf(own, nil, bounds)
	for _, t := range []threshold{cpu, gpu, ssh} {
		if allowed := t.within(t.own); t.own != 0 && allowed != t.own {
			return notAllowed(t.field, flavor, strconv.FormatInt(t.own, 10), strconv.FormatInt(allowed, 10), t.own < allowed)
		}
	}
	return nil
}
