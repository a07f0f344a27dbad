// Package standin plays the scheduler, the kubelets and the volume provisioner of a cluster
// without nodes. It binds every pod and every claim, and reports that the pod runs. No
// container runs.
package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// workers is how many pods are started at the same time. Workers mostly wait for the API
// server.
const workers = 16

// Config configures the stand-in.
type Config struct {
	// Nodes is the number of nodes.
	Nodes int
	// Steps writes all five statuses that a real kubelet reports until a pod is Ready, instead of
	// only the last.
	Steps bool
	// Agents runs an agent's control endpoint for each pod that is Ready.
	Agents bool
}

type standIn struct {
	Config
	client *kubernetes.Clientset
	pods   cache.Store
	queue  workqueue.TypedRateLimitingInterface[string]
	placed atomic.Int64
	agents agents
}

// Run runs the stand-in until ctx ends.
func Run(ctx context.Context, config *rest.Config, c Config) error {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.ContentType, config.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	s := &standIn{Config: c, client: client, queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())}
	if err := s.addNodes(ctx); err != nil {
		return err
	}
	if c.Agents {
		s.agents.byPod = map[string]*agent{}
		go func() {
			if err := s.agents.listen(ctx); err != nil {
				fmt.Println(err)
			}
		}()
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(essence))
	pods := factory.Core().V1().Pods().Informer()
	s.pods = pods.GetStore()
	if _, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: s.enqueue,
		UpdateFunc: func(old, updated any) {
			// Only deletions matter: the stand-in itself wrote all other changes.
			if !updated.(*corev1.Pod).DeletionTimestamp.IsZero() { //nolint:forcetypeassert // an informer of pods
				s.enqueue(updated)
			}
		},
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	for range workers {
		go s.work(ctx)
	}
	s.beat(ctx)
	s.queue.ShutDown()
	return nil
}

// essence drops the fields that the stand-in does not use.
func essence(object any) (any, error) {
	if pod, ok := object.(*corev1.Pod); ok {
		pod.ManagedFields, pod.Status = nil, corev1.PodStatus{}
	}
	return object, nil
}

func (s *standIn) enqueue(object any) {
	if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
		s.queue.Add(key)
	}
}

func (s *standIn) work(ctx context.Context) {
	for {
		key, over := s.queue.Get()
		if over {
			return
		}
		if err := s.play(ctx, key); err != nil && ctx.Err() == nil {
			fmt.Printf("%s: %v\n", key, err)
			s.queue.AddRateLimited(key)
		} else {
			s.queue.Forget(key)
		}
		s.queue.Done(key)
	}
}

func (s *standIn) play(ctx context.Context, key string) error {
	object, found, err := s.pods.GetByKey(key)
	if err != nil || !found {
		return err
	}
	pod := object.(*corev1.Pod) //nolint:forcetypeassert // an informer of pods
	if !pod.DeletionTimestamp.IsZero() {
		now := int64(0)
		err := s.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID}})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil
		}
		return err
	}
	if err := s.bindClaims(ctx, pod); err != nil {
		return err
	}
	n := int(s.placed.Add(1))
	node := n % s.Nodes
	if pod.Spec.NodeName == "" {
		err := s.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: nodeName(node)},
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsConflict(err) { // A conflict: it was bound by an attempt that failed later.
			return err
		}
	}
	if s.Agents {
		if err := s.answer(ctx, pod, podAddress(n)); err != nil {
			return err
		}
	}
	for _, status := range reports(pod, nodeAddress(node), podAddress(n), metav1.Now().Rfc3339Copy(), s.Steps) {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
		if err != nil {
			return err
		}
		if _, err := s.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
			return err
		}
	}
	return nil
}

// bindClaims reports that the pod's claims are bound to volumes of the requested size.
func (s *standIn) bindClaims(ctx context.Context, pod *corev1.Pod) error {
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claims := s.client.CoreV1().PersistentVolumeClaims(pod.Namespace)
		claim, err := claims.Get(ctx, v.PersistentVolumeClaim.ClaimName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if claim.Status.Phase == corev1.ClaimBound {
			continue
		}
		if claim.Spec.VolumeName == "" {
			claim.Spec.VolumeName = "volume-" + string(claim.UID)
			if claim, err = claims.Update(ctx, claim, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
		claim.Status.Phase, claim.Status.AccessModes = corev1.ClaimBound, claim.Spec.AccessModes
		claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]}
		if _, err := claims.UpdateStatus(ctx, claim, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// beat renews the nodes' Leases until ctx ends.
func (s *standIn) beat(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.renew(ctx); err != nil && ctx.Err() == nil {
				fmt.Println(err)
			}
		}
	}
}
