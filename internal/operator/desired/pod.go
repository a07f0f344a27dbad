package desired

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

const (
	// DefaultGraceSeconds is how long the server's processes may take to end.
	DefaultGraceSeconds = 30

	// The startup probe runs every second, so that a server is Ready as soon as
	// SSH answers; the readiness probe after it runs less often. There is no
	// liveness probe, so a running SSH server is never killed. One that does not
	// answer within startupSeconds of its start is restarted.
	startupSeconds     = 600
	readinessPeriod    = 10
	probeTimeout       = 5
	readinessThreshold = 2
)

// podTemplate is the server's pod: the agent's image prepares it, then the
// server's own image runs with the agent's init as its main process, and beside it
// the SSH server in a container of its own, all under the restricted Pod Security
// Standard.
//
// If the flavor grants root, the pod has a user namespace, and its main
// container, whose init starts the sessions of root and of the user, is root
// in it. Everything else is the same, and mounts map the ids of the namespace
// to the same ids on the volume, so that a home can move between servers with
// and without root.
func podTemplate(in Input) (*corev1ac.PodTemplateSpecApplyConfiguration, error) {
	d := in.DevServer
	spec := corev1ac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(grace(in)).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).
			WithRunAsUser(in.UID).
			WithRunAsGroup(in.UID).
			WithFSGroup(in.UID).
			// The default policy rewrites the mode of every file at each start, and
			// OpenSSH then refuses ~/.ssh.
			WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithNodeSelector(with(map[string]string{corev1.LabelOSStable: "linux"}, in.Flavor.Spec.NodeSelector)).
		WithInitContainers(prepareContainer(in)).
		WithContainers(serverContainer(in), sshContainer(in)).
		WithVolumes(volumes(in)...)
	if GrantsRoot(in) {
		spec.WithHostUsers(false)
	}
	if err := place(spec, in); err != nil {
		return nil, err
	}
	for _, s := range pullSecrets(in) {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(s.Name))
	}
	annotations := ownerAnnotation(d)
	annotations[AnnotationSettings] = ownSettings(d)
	annotations[objects.AnnotationAgentImage] = in.AgentImage
	maps.Copy(annotations, AutoscalerAnnotations(true))
	template, err := overlay(in, corev1ac.PodTemplateSpec().
		WithLabels(objects.Labels(d.Name)).
		WithAnnotations(annotations).
		WithSpec(spec))
	if err != nil {
		return nil, err
	}
	return withHash(template, sshShare(in.Flavor))
}

// PodSpec is the spec of the pods of the flavor's servers, but for what depends on the
// DevServer.
func PodSpec(flavor *devv1.DevServerFlavor) (corev1.PodSpec, error) {
	var spec corev1.PodSpec
	template, err := podTemplate(Input{DevServer: &devv1.DevServer{}, Flavor: flavor})
	if err == nil {
		err = convert(template.Spec, &spec)
	}
	return spec, err
}

func pullPolicy(in Input) corev1.PullPolicy {
	return cmp.Or(in.ImagePullPolicy, in.DevServer.Spec.ImagePullPolicy, in.Flavor.Spec.ImagePullPolicy)
}

// pullSecrets are the DevServer's own and the flavor's, each once.
func pullSecrets(in Input) []devv1.LocalObjectReference {
	list := slices.Clone(in.DevServer.Spec.ImagePullSecrets)
	for _, s := range in.Flavor.Spec.ImagePullSecrets {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// prepareContainer runs before the server, with the server's image mounted
// read-only: it requires no shell, user or tool of that image.
func prepareContainer(in Input) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().
		WithName(objects.PrepareContainer).
		WithImage(in.AgentImage).
		WithCommand(agentapi.PrepareBinary, "prepare").
		WithSecurityContext(restricted()).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithResources(prepareResources(in.Flavor.Spec.Resources)).
		WithVolumeMounts(prepareMounts()...)
	if in.AgentImagePullPolicy != "" {
		c.WithImagePullPolicy(in.AgentImagePullPolicy)
	}
	return c
}

// serverContainer is where the users' processes run. It has no port and no probe,
// because those belong to the SSH server's container.
func serverContainer(in Input) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().
		WithName(objects.ServerContainer).
		WithImage(in.Image).
		WithCommand(serverCommand(in)...).
		WithSecurityContext(serverSecurity(in)).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithResources(resources(in.Flavor.Spec.Resources)).
		WithEnv(env(in)...).
		WithVolumeMounts(serverMounts(in)...)
	if policy := pullPolicy(in); policy != "" {
		c.WithImagePullPolicy(policy)
	}
	return c
}

func grace(in Input) int64 { return cmp.Or(in.GraceSeconds, DefaultGraceSeconds) }

// GrantsRoot tells whether users can become root in the server.
func GrantsRoot(in Input) bool { return in.Flavor.Spec.Root == devv1.RootUserNamespace }

// serverCommand starts the agent's init.
func serverCommand(in Input) []string {
	command := append([]string{agentapi.AgentDir + "/" + agentapi.AgentFile, "init"}, graceFlag(in)...)
	if GrantsRoot(in) {
		id := strconv.FormatInt(in.UID, 10)
		command = append(command, "--root", "--uid="+id, "--gid="+id)
	}
	return command
}

// AutoscalerAnnotations are the annotations with which a pod asks autoscalers
// to keep it on its node, or not to.
func AutoscalerAnnotations(keep bool) map[string]string {
	return map[string]string{
		"cluster-autoscaler.kubernetes.io/safe-to-evict": strconv.FormatBool(!keep),
		"karpenter.sh/do-not-disrupt":                    strconv.FormatBool(keep),
	}
}

// serverSecurity lets the agent's init be root if the flavor grants it, with the
// capabilities that the runtime gives by default. It requires them to start
// processes of other users. Nothing else in the pod is root.
func serverSecurity(in Input) *corev1ac.SecurityContextApplyConfiguration {
	if !GrantsRoot(in) {
		return restricted()
	}
	return corev1ac.SecurityContext().
		WithRunAsUser(0).
		WithRunAsGroup(0).
		WithRunAsNonRoot(false).
		WithAllowPrivilegeEscalation(true) // sudo and su
}

// probe asks the agent to check its own SSH server.
func probe() *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithTimeoutSeconds(probeTimeout).
		WithHTTPGet(corev1ac.HTTPGetAction().
			WithScheme(corev1.URISchemeHTTPS).
			WithPath(agentapi.HealthPath).
			WithPort(intstr.FromString(agentapi.ControlPortName)))
}

// restricted is what the restricted Pod Security Standard asks of a container
// beyond the pod's own security context.
func restricted() *corev1ac.SecurityContextApplyConfiguration {
	return corev1ac.SecurityContext().
		WithAllowPrivilegeEscalation(false).
		WithCapabilities(corev1ac.Capabilities().WithDrop("ALL"))
}
