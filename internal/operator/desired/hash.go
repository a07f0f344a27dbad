package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"devserver.io/devserver/internal/objects"
)

// agentGeneration is part of every hash. Increase it if a running server needs the
// agent's new version in its main container, which it gets only at a restart. Otherwise
// an upgrade leaves running servers current, because the agent's image is not hashed.
const agentGeneration = 1

// withHash adds AnnotationTemplateHash to the template. The hash depends only on what
// takes effect at a start. It leaves out the image of the agent, which is replaced in
// the running pod, and the annotations that the operator changes on the running pod.
//
// Instead of the requests and limits of the SSH server's container, the hash includes
// share, which is what they would be without quotas and LimitRanges. Kubernetes checks
// only new pods against these, so a running server requires no restart when one of them is
// created, edited or deleted.
func withHash(template *corev1ac.PodTemplateSpecApplyConfiguration, share corev1.ResourceRequirements) (*corev1ac.PodTemplateSpecApplyConfiguration, error) {
	text, err := json.Marshal(template)
	if err != nil {
		return nil, fmt.Errorf("hashing the pod template: %w", err)
	}
	hashed := corev1ac.PodTemplateSpec()
	if err := json.Unmarshal(text, hashed); err != nil {
		return nil, fmt.Errorf("hashing the pod template: %w", err)
	}
	prepare := &hashed.Spec.InitContainers[indexOf(hashed.Spec.InitContainers, objects.PrepareContainer)]
	ssh := &hashed.Spec.Containers[indexOf(hashed.Spec.Containers, objects.SSHContainer)]
	prepare.Image, ssh.Image = nil, nil
	ssh.Resources = resources(share)
	delete(hashed.Annotations, objects.AnnotationTemplateHash)
	delete(hashed.Annotations, objects.AnnotationAgentImage)
	for name := range AutoscalerAnnotations(true) {
		delete(hashed.Annotations, name)
	}
	if text, err = json.Marshal(hashed); err != nil {
		return nil, fmt.Errorf("hashing the pod template: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", agentGeneration, text))
	return template.WithAnnotations(map[string]string{objects.AnnotationTemplateHash: hex.EncodeToString(sum[:8])}), nil
}
