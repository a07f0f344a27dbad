package gateway

import (
	"bytes"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/sshkeys"
)

// HostKeySecret is the Secret that the operator creates, unless the admin named
// another one.
const HostKeySecret = "devserver-gateway-host-key"

// HostKey is the public half of the key with which the gateway identifies
// itself. It creates the Secret if it does not exist.
func (r *Reconciler) HostKey(ctx context.Context) (string, error) {
	if r.Config.HostKeySecret != "" {
		return r.adminsKey(ctx, types.NamespacedName{Namespace: r.Config.Namespace, Name: r.Config.HostKeySecret})
	}
	private, err := sshkeys.DeriveGateway(r.Config.Master)
	if err != nil {
		return "", err
	}
	if err := r.keepSecret(ctx, private); err != nil {
		return "", err
	}
	return sshkeys.PublicLine(private)
}

func (r *Reconciler) adminsKey(ctx context.Context, name types.NamespacedName) (string, error) {
	secret := &corev1.Secret{}
	if err := r.Live.Get(ctx, name, secret); err != nil {
		return "", fmt.Errorf("reading the gateway's host key from the Secret %s: %w", name, err)
	}
	public, err := sshkeys.PublicLine(secret.Data[corev1.SSHAuthPrivateKey])
	if err != nil {
		return "", fmt.Errorf("reading the gateway's host key from %q in the Secret %s: %w: it must hold a private key without a passphrase", corev1.SSHAuthPrivateKey, name, err)
	}
	return public, nil
}

// keepSecret creates the Secret with the host key, and restores it if it was
// deleted or edited. It never changes a Secret that the operator did not
// create.
func (r *Reconciler) keepSecret(ctx context.Context, private []byte) error {
	name := types.NamespacedName{Namespace: r.Config.Namespace, Name: HostKeySecret}
	live := &corev1.Secret{}
	err := r.Live.Get(ctx, name, live)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("reading the Secret %s: %w", name, err)
	case live.Labels[objects.LabelManagedBy] != objects.ManagedBy:
		return fmt.Errorf("the Secret %s is not the operator's, and stays as it is: name it in the chart's value gateway.hostKeySecret to use its key, or delete it", name)
	case bytes.Equal(live.Data[corev1.SSHAuthPrivateKey], private):
		return nil
	}
	wanted := corev1ac.Secret(name.Name, name.Namespace).
		WithLabels(map[string]string{objects.LabelManagedBy: objects.ManagedBy}).
		WithType(corev1.SecretTypeSSHAuth).
		WithData(map[string][]byte{corev1.SSHAuthPrivateKey: private})
	if live.UID != "" {
		wanted.WithUID(live.UID)
	}
	if err := r.Client.Apply(ctx, wanted, apply.FieldOwner, client.ForceOwnership, client.DisableReadYourWritesConsistency); err != nil {
		return fmt.Errorf("writing the gateway's host key into the Secret %s: %w", name, err)
	}
	return nil
}
