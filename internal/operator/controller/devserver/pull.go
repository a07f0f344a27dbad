package devserver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentupdate"
	"devserver.io/devserver/internal/printable"
)

// pullTime ends a pull that the operator does not end. It is longer than a pull counts, so
// that the pod reports until then why the node cannot pull the image.
const pullTime = 2 * agentupdate.PullLasts

// pullName returns the name of the pod that pulls an image on a node. Each pair of node
// and image has a name of its own.
func pullName(node, image string) string {
	sum := sha256.Sum256([]byte(node + "\n" + image))
	return "devserver-agent-pull-" + hex.EncodeToString(sum[:8])
}

// pullPod returns the pod that pulls the agent's image on the node; nil if none does. It
// is read from the API server: the watch cache drops the cause of a failure.
func (r *Reconciler) pullPod(ctx context.Context, node string) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	key := types.NamespacedName{Namespace: r.Config.Agents.Namespace, Name: pullName(node, r.Config.AgentImage)}
	if err := r.Live.Get(ctx, key, pod); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading Pod %s: %w", key, err)
	}
	return pod, nil
}

// pullOf returns the state of a pull.
func pullOf(pod *corev1.Pod) agentupdate.Pull {
	p := agentupdate.Pull{State: agentupdate.Pulling, StartedAt: pod.CreationTimestamp.Time}
	switch pod.Status.Phase {
	case corev1.PodSucceeded:
		p.State = agentupdate.Pulled
		return p
	case corev1.PodFailed:
		p.State, p.Cause = agentupdate.PullFailed, strings.TrimSuffix(pod.Status.Reason+": "+pod.Status.Message, ": ")
	}
	for _, c := range pod.Status.ContainerStatuses {
		p.Cause = cmp.Or(agentupdate.Ended(c), agentupdate.Problem(c), p.Cause)
	}
	p.Cause = printable.Prose(p.Cause, maxCause)
	return p
}

// pull creates the pod that pulls the agent's image on the node, and runs a command of
// the image that ends at once. If the pod of an earlier attempt exists, pull only deletes
// that one, and a later pass creates the next.
func (r *Reconciler) pull(ctx context.Context, node string) error {
	before, err := r.pullPod(ctx, node)
	if err != nil {
		return err
	}
	if before != nil {
		if !agentupdate.Expired(pullOf(before), r.Clock.Now()) {
			return nil // It was created for another server of the node, since the decision.
		}
		return r.deletePull(ctx, before)
	}
	pod, err := r.newPullPod(ctx, node)
	if err != nil {
		return err
	}
	if err := r.Client.Create(ctx, pod); err != nil && !apierrors.IsAlreadyExists(err) {
		return written(err, "creating Pod %s/%s, which pulls the agent's image", pod.Namespace, pod.Name)
	}
	return nil
}

// forgetPull deletes the pod that pulled the image for an update, if it exists.
func (r *Reconciler) forgetPull(ctx context.Context, node string) error {
	pod, err := r.pullPod(ctx, node)
	if err != nil || pod == nil {
		return err
	}
	return r.deletePull(ctx, pod)
}

func (r *Reconciler) deletePull(ctx context.Context, pod *corev1.Pod) error {
	err := client.IgnoreNotFound(r.Client.Delete(ctx, pod, client.Preconditions{UID: new(pod.UID)}))
	return written(err, "deleting Pod %s/%s", pod.Namespace, pod.Name)
}

// newPullPod renders the pod. It belongs to the operator's own pod, and has that pod's
// secrets for pulling images. If the operator does not run in a pod, it belongs to the
// node. It tolerates all taints, because it must run where the server runs.
func (r *Reconciler) newPullPod(ctx context.Context, node string) (*corev1.Pod, error) {
	const size = "16Mi"
	agents := r.Config.Agents
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: agents.Namespace, Name: pullName(node, r.Config.AgentImage),
			Labels: map[string]string{"app.kubernetes.io/name": "devserver-agent-pull"},
		},
		Spec: corev1.PodSpec{
			NodeName:                     node,
			RestartPolicy:                corev1.RestartPolicyNever,
			ActiveDeadlineSeconds:        new(int64(pullTime.Seconds())),
			AutomountServiceAccountToken: new(false),
			EnableServiceLinks:           new(false),
			Tolerations:                  []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(agentapi.SSHUID)), RunAsGroup: new(int64(agentapi.SSHUID)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "agent", Image: r.Config.AgentImage, ImagePullPolicy: r.Config.AgentImagePullPolicy,
				Command:                  []string{agentapi.PrepareBinary, "version"},
				TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m"), corev1.ResourceMemory: resource.MustParse(size)},
					Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
				},
			}},
		},
	}
	if agents.Pod != "" {
		own := &corev1.Pod{}
		if err := r.Live.Get(ctx, types.NamespacedName{Namespace: agents.Namespace, Name: agents.Pod}, own); err != nil {
			return nil, fmt.Errorf("reading the operator's own Pod %s/%s: %w", agents.Namespace, agents.Pod, err)
		}
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: own.Name, UID: own.UID}}
		pod.Spec.ImagePullSecrets = own.Spec.ImagePullSecrets
		return pod, nil
	}
	on := &corev1.Node{}
	if err := r.Client.Get(ctx, types.NamespacedName{Name: node}, on); err != nil {
		return nil, fmt.Errorf("reading Node %s: %w", node, err)
	}
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: on.Name, UID: on.UID}}
	return pod, nil
}
