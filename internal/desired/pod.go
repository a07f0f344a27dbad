package desired

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"devserver.io/devserver/internal/box"
)

// Names of the pod's containers.
const (
	PrepareContainer = "prepare"
	BoxContainer     = "devserver"
)

const (
	// terminationGrace is how long sessions have to end, in seconds.
	terminationGrace = 30

	// The startup probe asks every second, so that a box is Ready as soon as
	// SSH answers; the readiness probe after it is in no hurry. There is no
	// liveness probe: nothing kills a box that works. A box whose SSH does not
	// answer at all within startupSeconds of its start is started again.
	startupSeconds     = 600
	readinessPeriod    = 10
	probeTimeout       = 5
	readinessThreshold = 2
)

// podTemplate is the box: the agent's image prepares it, then the box's own
// image runs with the agent as its main process, under the restricted Pod
// Security Standard.
func podTemplate(in Input) *corev1ac.PodTemplateSpecApplyConfiguration {
	d := in.DevServer
	spec := corev1ac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(terminationGrace).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).
			WithRunAsUser(box.UID).
			WithRunAsGroup(box.GID).
			WithFSGroup(box.GID).
			// The default policy rewrites the mode of every file at each start, and
			// OpenSSH then refuses ~/.ssh.
			WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithNodeSelector(with(map[string]string{corev1.LabelOSStable: "linux"}, in.Flavor.Spec.NodeSelector)).
		WithInitContainers(prepareContainer(in)).
		WithContainers(boxContainer(in)).
		WithVolumes(volumes(in)...)
	for _, t := range in.Flavor.Spec.Tolerations {
		spec.WithTolerations(toleration(t))
	}
	for _, s := range d.Spec.ImagePullSecrets {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(s.Name))
	}
	return corev1ac.PodTemplateSpec().
		WithLabels(Labels(d.Name)).
		WithAnnotations(ownerAnnotation(d)).
		WithSpec(spec)
}

// prepareContainer runs before the box, with the box's image mounted
// read-only: it needs no shell, no user and no tool of that image.
func prepareContainer(in Input) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().
		WithName(PrepareContainer).
		WithImage(in.AgentImage).
		WithCommand(box.PrepareBinary, "prepare").
		WithSecurityContext(restricted()).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithResources(prepareResources(in.Flavor.Spec.Resources)).
		WithVolumeMounts(prepareMounts()...)
	if in.AgentImagePullPolicy != "" {
		c.WithImagePullPolicy(in.AgentImagePullPolicy)
	}
	return c
}

func boxContainer(in Input) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().
		WithName(BoxContainer).
		WithImage(in.Image).
		WithCommand(box.AgentDir+"/"+box.AgentFile, "init").
		WithSecurityContext(restricted()).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithResources(resources(in.Flavor.Spec.Resources)).
		WithEnv(env(in)...).
		WithPorts(
			corev1ac.ContainerPort().WithName(box.SSHPortName).WithProtocol(corev1.ProtocolTCP).WithContainerPort(box.SSHPort),
			corev1ac.ContainerPort().WithName(box.ControlPortName).WithProtocol(corev1.ProtocolTCP).WithContainerPort(box.ControlPort)).
		WithStartupProbe(probe().WithPeriodSeconds(1).WithFailureThreshold(startupSeconds)).
		WithReadinessProbe(probe().WithPeriodSeconds(readinessPeriod).WithFailureThreshold(readinessThreshold)).
		WithVolumeMounts(boxMounts(in)...)
	if policy := in.DevServer.Spec.ImagePullPolicy; policy != "" {
		c.WithImagePullPolicy(policy)
	}
	return c
}

// probe asks the agent to check its own SSH server.
func probe() *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithTimeoutSeconds(probeTimeout).
		WithHTTPGet(corev1ac.HTTPGetAction().
			WithScheme(corev1.URISchemeHTTPS).
			WithPath(box.HealthPath).
			WithPort(intstr.FromString(box.ControlPortName)))
}

// restricted is what the restricted Pod Security Standard asks of a container
// beyond the pod's own security context.
func restricted() *corev1ac.SecurityContextApplyConfiguration {
	return corev1ac.SecurityContext().
		WithAllowPrivilegeEscalation(false).
		WithCapabilities(corev1ac.Capabilities().WithDrop("ALL"))
}

func toleration(t corev1.Toleration) *corev1ac.TolerationApplyConfiguration {
	ac := corev1ac.Toleration()
	if t.Key != "" {
		ac.WithKey(t.Key)
	}
	if t.Operator != "" {
		ac.WithOperator(t.Operator)
	}
	if t.Value != "" {
		ac.WithValue(t.Value)
	}
	if t.Effect != "" {
		ac.WithEffect(t.Effect)
	}
	if t.TolerationSeconds != nil {
		ac.WithTolerationSeconds(*t.TolerationSeconds)
	}
	return ac
}
