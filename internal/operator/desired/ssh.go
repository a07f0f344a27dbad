package desired

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// The share of the SSH server's container unless the flavor sets another. Its
// memory bounds what a client can make it use. It has no CPU limit by default:
// encryption takes up to a core while data moves, and a limit would slow that down.
var (
	sshRequests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")}
	sshLimits   = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")}
	// sshGuaranteed are requests and limits in a pod of the class Guaranteed, which
	// it stays only if every container has equal requests and limits.
	sshGuaranteed = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("128Mi")}
)

// sshContainer runs the SSH server, with a uid that the server's own users can
// neither have nor send signals to. It alone mounts the Secret. The mount of the
// spawner's socket is read-only, because connecting to a socket writes nothing.
//
// Some GPU runtimes give a container all GPUs of the node unless its environment
// requests none.
func sshContainer(in Input) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().
		WithName(objects.SSHContainer).
		WithImage(in.AgentImage).
		WithCommand(sshCommand(in)...).
		WithSecurityContext(restricted().
			WithRunAsUser(agentapi.SSHUID).
			WithRunAsGroup(agentapi.SSHUID).
			WithRunAsNonRoot(true).
			WithReadOnlyRootFilesystem(true)).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithResources(resources(admitted(sshShare(in.Flavor), in.Quotas, in.LimitRanges))).
		WithEnv(corev1ac.EnvVar().WithName("NVIDIA_VISIBLE_DEVICES").WithValue("void")).
		WithPorts(
			corev1ac.ContainerPort().WithName(agentapi.SSHPortName).WithProtocol(corev1.ProtocolTCP).WithContainerPort(agentapi.SSHPort),
			corev1ac.ContainerPort().WithName(agentapi.ControlPortName).WithProtocol(corev1.ProtocolTCP).WithContainerPort(agentapi.ControlPort)).
		WithStartupProbe(probe().WithPeriodSeconds(1).WithFailureThreshold(startupSeconds)).
		WithReadinessProbe(probe().WithPeriodSeconds(readinessPeriod).WithFailureThreshold(readinessThreshold)).
		WithVolumeMounts(
			mount(sshVolume, agentapi.SSHDir).WithReadOnly(true),
			mount(runVolume, agentapi.RunDir).WithSubPath(agentapi.RunSubPath).WithReadOnly(true))
	if in.AgentImagePullPolicy != "" {
		c.WithImagePullPolicy(in.AgentImagePullPolicy)
	}
	return c
}

// sshCommand starts the SSH server, which accepts only a spawner with the uid of the
// main container.
func sshCommand(in Input) []string {
	spawner := in.UID
	command := append([]string{agentapi.PrepareBinary, "serve"}, graceFlag(in)...)
	if GrantsRoot(in) {
		spawner = 0
		command = append(command, "--root")
	}
	return append(command, "--spawner-uid="+strconv.FormatInt(spawner, 10))
}

// sshShare returns the SSH server's requests and limits. For each resource, the flavor's
// value replaces the default.
//
// The pod does not set resources as a whole (spec.resources), out of which the SSH
// server could take its share. Their memory limit would be that of the pod's cgroup,
// and an out-of-memory kill in it can hit any container. Users who exhaust their
// memory would then lose the SSH server too.
func sshShare(flavor *devv1.DevServerFlavor) corev1.ResourceRequirements {
	own := corev1.ResourceRequirements{}
	if r := flavor.Spec.SSHResources; r != nil {
		own = *r
	}
	r := corev1.ResourceRequirements{Requests: override(sshRequests, own.Requests), Limits: override(sshLimits, own.Limits)}
	if guaranteed(flavor.Spec.Resources) {
		// If the flavor sets only one of the two, the other gets the same value.
		r.Requests = override(override(sshGuaranteed, own.Limits), own.Requests)
		r.Limits = override(override(sshGuaranteed, own.Requests), own.Limits)
	}
	for name, request := range r.Requests {
		limit, limited := r.Limits[name]
		if !limited || limit.Cmp(request) >= 0 {
			continue
		}
		if _, ownLimit := own.Limits[name]; ownLimit {
			r.Requests[name] = limit // The default request is above the flavor's limit.
		} else {
			r.Limits[name] = request
		}
	}
	return r
}

// override returns defaults, replaced by the values of own where it has them.
func override(defaults, own corev1.ResourceList) corev1.ResourceList {
	list := maps.Clone(defaults)
	maps.Copy(list, own)
	return list
}

// guaranteed tells whether a pod whose containers all have these resources is of
// the class Guaranteed: limits of CPU and memory, and requests that are equal or,
// because Kubernetes then sets them to the limits, absent.
func guaranteed(r corev1.ResourceRequirements) bool {
	return !slices.ContainsFunc([]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}, func(name corev1.ResourceName) bool {
		limit := r.Limits[name]
		request, requested := r.Requests[name]
		return limit.IsZero() || (requested && request.Cmp(limit) != 0)
	})
}

// graceFlag returns the flag that lets the agent end all processes within two thirds of
// the grace period, before the kubelet kills them. The agent's default is that of the
// default grace period.
func graceFlag(in Input) []string {
	if grace(in) == DefaultGraceSeconds {
		return nil
	}
	return []string{fmt.Sprintf("--grace=%ds", grace(in)*2/3)}
}
