// Package mastersecret keeps the secret from which the host keys and
// credentials of all servers derive. Restoring it from a backup restores every
// host key.
package mastersecret

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// Name is the name of the Secret in the operator's namespace.
	Name = "devserver-master"
	// Key is the Secret's key with the random bytes.
	Key = "master"
	// size in bytes: that of the hash which derives from it.
	size = 32
)

// Ensure returns the master secret of the operator in namespace. If the Secret
// does not exist, Ensure creates it, and outside a cluster the namespace too.
// An existing Secret is never changed.
func Ensure(ctx context.Context, c client.Client, namespace string) ([]byte, error) {
	key := client.ObjectKey{Namespace: namespace, Name: Name}
	secret := &corev1.Secret{}
	err := c.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		if err = create(ctx, c, namespace); err == nil || apierrors.IsAlreadyExists(err) {
			err = c.Get(ctx, key, secret)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the master secret %s: %w", key, err)
	}
	if len(secret.Data[Key]) < size {
		return nil, fmt.Errorf("the master secret %s has %d bytes under %q, but needs at least %d: restore it from a backup, or delete it to have a new one made (which changes every host key)", key, len(secret.Data[Key]), Key, size)
	}
	return secret.Data[Key], nil
}

func create(ctx context.Context, c client.Client, namespace string) error {
	random := make([]byte, size)
	_, _ = rand.Read(random) // crypto/rand never fails.
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: Name},
		Immutable:  new(true),
		Data:       map[string][]byte{Key: random},
	}
	err := c.Create(ctx, secret)
	if !apierrors.IsNotFound(err) {
		return err
	}
	// Only the namespace can be what is not found: the operator runs outside
	// the cluster, and before the chart was ever installed.
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := c.Create(ctx, ns); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating the namespace %s: %w", namespace, err)
	}
	return c.Create(ctx, secret)
}
