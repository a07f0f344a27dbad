package devserver

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// memory is what this process remembers of each server. It adds to what the watch
// cache has of the server, and the agentclient.Poller of its agent.
//
// A restart of the operator loses all of it, which is safe. The StatefulSet has the
// hash of the Secret that was applied; a Secret with another hash is applied and
// pushed again. The delay of pods that fail again and again starts over. A pod that
// was evicted while the operator did not run is not reported as the last disruption.
// The next attempt to create the Lease finds a foreign one. The warning before an update
// of an agent is shown for a full minute again.
type memory struct {
	mu      sync.Mutex
	servers map[types.NamespacedName]*remembered
}

// remembered is what is remembered of one server. Only one pass over a server runs at a
// time, but events of its pod come at any time: mu protects disrupted.
type remembered struct {
	mu sync.Mutex
	// secret is what became of its Secret.
	secret delivery
	// failedPod is the last of its pods that failed, failures are when pods failed.
	failedPod types.UID
	failures  []time.Time
	// disrupted is a pod that Kubernetes evicted, until a status reports it. A pod
	// of a deleted Node may be deleted before a pass sees it.
	disrupted *corev1.Pod
	// foreignLease is set if the name of the server's Lease was taken by another owner
	// when it was last created. The watch cache does not show that.
	foreignLease bool
	// agentWarnedAt is when open terminals began to show that the agent will be updated;
	// zero if they do not.
	agentWarnedAt time.Time
}

// of returns what is remembered of a server.
func (m *memory) of(server types.NamespacedName) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.servers[server]
	if s == nil {
		if m.servers == nil {
			m.servers = map[types.NamespacedName]*remembered{}
		}
		s = &remembered{}
		m.servers[server] = s
	}
	return s
}

func (m *memory) forget(server types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.servers, server)
}

// podDeleted remembers a pod that was deleted, if it was evicted.
func (m *memory) podDeleted(server types.NamespacedName, pod *corev1.Pod) {
	if !status.Disrupted(pod) {
		return
	}
	s := m.of(server)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disrupted = pod
}

// disruptedBefore returns the pod that the server had before this one, or had last if
// pod is nil. It returns nil unless that pod was evicted and no status has reported it.
func (s *remembered) disruptedBefore(pod *corev1.Pod) *corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disrupted != nil && pod != nil && s.disrupted.UID == pod.UID {
		return nil
	}
	return s.disrupted
}

// forgetDisrupted forgets the disrupted pod if it is that pod, and keeps one that was
// evicted later. If pod is nil, it forgets any.
func (s *remembered) forgetDisrupted(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pod == nil || s.disrupted == pod {
		s.disrupted = nil
	}
}

// noteFailure counts a failure of the server's last pod, once for each pod.
func (s *remembered) noteFailure(pod *corev1.Pod, now time.Time) {
	if before := s.disruptedBefore(pod); before != nil && !failed(pod) {
		pod = before
	}
	if failed(pod) && s.failedPod != pod.UID {
		s.failedPod, s.failures = pod.UID, lifecycle.WithFailure(s.failures, now)
	}
}

// failed tells whether a pod failed. A pod that was deleted did not fail, unless it was
// evicted: many programs end with an error when they are stopped.
func failed(pod *corev1.Pod) bool {
	if pod == nil || pod.Status.Phase != corev1.PodFailed {
		return false
	}
	return pod.DeletionTimestamp.IsZero() || status.Disrupted(pod)
}
