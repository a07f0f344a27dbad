package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
)

var (
	now   = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	start = metav1.NewTime(now.Add(-time.Minute))
)

func devServer(edits ...func(*devv1.DevServer)) *devv1.DevServer {
	d := &devv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Name: "alice", Namespace: "team", Generation: 3},
		Spec:       devv1.DevServerSpec{SSH: devv1.SSHSpec{Service: devv1.SSHServiceSpec{Type: devv1.SSHServiceNodePort}}},
	}
	for _, edit := range edits {
		edit(d)
	}
	return d
}

// ranBefore is a DevServer whose pod was Ready.
func ranBefore(d *devv1.DevServer) {
	d.Status = devv1.DevServerStatus{PodName: "alice-0", StartedAt: &start, NodeName: "node-1", PodIP: "10.0.0.1"}
}

func set() *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "alice", Generation: 2},
		Status:     appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdateRevision: "alice-new"},
	}
}

func pod(edits ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "alice-0", Labels: map[string]string{appsv1.StatefulSetRevisionLabel: "alice-new"}},
		Spec:       corev1.PodSpec{NodeName: "node-1"},
		Status:     corev1.PodStatus{Phase: corev1.PodPending, StartTime: &start, PodIP: "10.0.0.1"},
	}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

func podReady(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

// removedWithItsNode is what the garbage collector of pods leaves of one.
func removedWithItsNode(p *corev1.Pod) {
	p.Status.Phase = corev1.PodFailed
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC", Message: "PodGC: node no longer exists"}}
}

func serverStatus(s corev1.ContainerStatus) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		s.Name = objects.ServerContainer
		p.Status.ContainerStatuses = []corev1.ContainerStatus{s}
	}
}

// sshStatus adds the container of the SSH server, which pods of an older version do
// not have.
func sshStatus(s corev1.ContainerStatus) func(*corev1.Pod) { return added(objects.SSHContainer, s) }

// added adds another container beside the server's.
func added(name string, s corev1.ContainerStatus) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		s.Name = name
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, s)
	}
}

// addedInit adds an init container, after those that are there.
func addedInit(name string, s corev1.ContainerStatus) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		s.Name = name
		p.Status.InitContainerStatuses = append(p.Status.InitContainerStatuses, s)
	}
}

func initStatus(s corev1.ContainerStatus) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		s.Name = objects.PrepareContainer
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{s}
	}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func terminated(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}
}

func TestReady(t *testing.T) {
	const pull = `failed to pull and unpack image "example.com/nope:1": not found`
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	answering := corev1.ContainerStatus{State: running, Started: new(true), Ready: true}
	silent := corev1.ContainerStatus{State: running, Started: new(true)}
	for name, tc := range map[string]struct {
		d       *devv1.DevServer
		o       status.Observed
		phase   devv1.DevServerPhase
		reason  string
		message string // a part of it
	}{
		"nothing yet": {devServer(), status.Observed{}, devv1.PhaseStarting, devv1.ReasonStarting, "being created and started"},
		"deleted": {
			devServer(func(d *devv1.DevServer) { d.DeletionTimestamp = &start }),
			status.Observed{Pod: pod(podReady)},
			devv1.PhaseTerminating, devv1.ReasonTerminating, "kept",
		},
		"flavor missing": {
			devServer(),
			status.Observed{Problem: &status.Problem{Reason: devv1.ReasonFlavorNotFound, Message: `no "x"`}},
			devv1.PhasePending, devv1.ReasonFlavorNotFound, `no "x"`,
		},
		"flavor missing while it runs": {
			devServer(),
			status.Observed{Pod: pod(podReady), Problem: &status.Problem{Reason: devv1.ReasonFlavorNotFound}},
			devv1.PhaseRunning, devv1.ReasonAnswering, "SSH answers",
		},
		"pod refused": {
			devServer(),
			status.Observed{StatefulSet: set(), PodRefused: "exceeded quota"},
			devv1.PhasePending, devv1.ReasonPodNotCreated, "exceeded quota",
		},
		"pod ready": {devServer(), status.Observed{Pod: pod(podReady)}, devv1.PhaseRunning, devv1.ReasonAnswering, "SSH answers"},
		"pod not ready": {
			devServer(),
			status.Observed{Pod: pod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning })},
			devv1.PhaseStarting, devv1.ReasonStarting, "being created and started",
		},
		"old pod going": {
			devServer(),
			status.Observed{Pod: pod(podReady, func(p *corev1.Pod) { p.DeletionTimestamp = &start })},
			devv1.PhaseStarting, devv1.ReasonStarting, "being stopped",
		},
		"unschedulable": {devServer(), status.Observed{Pod: pod(func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available"}}
		})}, devv1.PhasePending, devv1.ReasonUnschedulable, "0/3 nodes are available"},
		"image pull": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(corev1.ContainerStatus{Image: "example.com/nope:1", State: waiting("ErrImagePull", pull)}))},
			devv1.PhaseFailed, devv1.ReasonImagePullFailed, pull,
		},
		"image volume pull": {
			devServer(),
			status.Observed{Pod: pod(initStatus(corev1.ContainerStatus{Image: "example.com/agent:1", State: waiting("ImagePullBackOff", `Back-off pulling image "example.com/nope:1": ErrImagePull: `+pull)}))},
			devv1.PhaseFailed, devv1.ReasonImagePullFailed, "example.com/nope:1",
		},
		"container config": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(corev1.ContainerStatus{State: waiting("CreateContainerConfigError", "no secret")}))},
			devv1.PhaseFailed, devv1.ReasonContainerConfigError, "no secret",
		},
		"prepare failed": {
			devServer(),
			status.Observed{Pod: pod(initStatus(corev1.ContainerStatus{
				State: waiting("CrashLoopBackOff", "back-off 10s"), LastTerminationState: terminated(1, "Error", "start\ncannot write the home\n"),
			}))},
			devv1.PhaseFailed, devv1.ReasonPrepareFailed, "exit code 1: cannot write the home",
		},
		"killed for memory": {
			devServer(),
			status.Observed{Pod: pod(limited, serverStatus(corev1.ContainerStatus{State: terminated(137, "OOMKilled", "")}))},
			devv1.PhaseFailed, devv1.ReasonOOMKilled, "more memory than its limit of 32Gi",
		},
		"running again after a crash": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(corev1.ContainerStatus{State: running, LastTerminationState: terminated(2, "Error", "boom")}))},
			devv1.PhaseFailed, devv1.ReasonCrashLoop, "exit code 2: boom",
		},
		"evicted": {devServer(), status.Observed{Pod: pod(func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "low on memory"
		})}, devv1.PhaseStarting, devv1.ReasonEvicted, "The node evicted the server, which is started again: low on memory"},
		"the same, between two tries": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(corev1.ContainerStatus{State: running, LastTerminationState: terminated(137, "OOMKilled", "")}))},
			devv1.PhaseFailed, devv1.ReasonOOMKilled, "more memory than its node has",
		},
		"ended otherwise": {devServer(), status.Observed{Pod: pod(func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "NodeShutdown", "bye"
		})}, devv1.PhaseFailed, devv1.ReasonPodFailed, "NodeShutdown: bye"},
		"drained": {
			devServer(),
			status.Observed{StatefulSet: set(), Pod: pod(deleted, disrupted("EvictionByEvictionAPI", "Eviction API: evicting"))},
			devv1.PhaseStarting, devv1.ReasonEvicted, "its node is being drained",
		},
		"disrupted by something new": {
			devServer(),
			status.Observed{StatefulSet: set(), Pod: pod(deleted, disrupted("Moon", "the moon is full"))},
			devv1.PhaseStarting, devv1.ReasonEvicted, "the moon is full",
		},
		"stopped by hand": {
			devServer(),
			status.Observed{StatefulSet: set(), Pod: pod(deleted)},
			devv1.PhaseStarting, devv1.ReasonStarting, "being stopped",
		},
		"restarted by an edit": {
			devServer(),
			status.Observed{StatefulSet: withSettings(`{"version":1,"image":"b"}`), Pod: pod(deleted, settings(`{"version":1,"image":"a"}`))},
			devv1.PhaseStarting, devv1.ReasonRestarting, "because spec.image changed",
		},
		"an image that failed, and was replaced": {
			devServer(),
			status.Observed{StatefulSet: withSettings(`{"version":1,"image":"b"}`), Pod: pod(settings(`{"version":1,"image":"a"}`), serverStatus(corev1.ContainerStatus{State: waiting("ErrImagePull", "not found")}))},
			devv1.PhaseStarting, devv1.ReasonRestarting, "because spec.image changed",
		},
		"node lost": {
			devServer(ranBefore),
			status.Observed{StatefulSet: set(), Pod: pod(), NodeLost: true},
			devv1.PhaseFailed, devv1.ReasonNodeLost, "kubectl delete node node-1",
		},
		"node deleted, before Kubernetes notices": {
			devServer(ranBefore),
			status.Observed{StatefulSet: set(), Pod: pod(serverStatus(corev1.ContainerStatus{State: running, Started: new(true)})), NodeGone: true},
			devv1.PhaseStarting, devv1.ReasonEvicted, "its node was deleted",
		},
		"node deleted, and the pod failed": {
			devServer(ranBefore),
			status.Observed{StatefulSet: set(), Pod: pod(removedWithItsNode)},
			devv1.PhaseStarting, devv1.ReasonEvicted, "its node was deleted",
		},
		"node deleted, and the pod too": {
			devServer(ranBefore),
			status.Observed{StatefulSet: set(), Disrupted: pod(removedWithItsNode)},
			devv1.PhaseStarting, devv1.ReasonEvicted, "its node was deleted",
		},
		"node lost, and the pod deleted": {
			devServer(ranBefore),
			status.Observed{StatefulSet: set(), Pod: pod(deleted), NodeLost: true},
			devv1.PhaseFailed, devv1.ReasonNodeLost, "node-1 does not answer",
		},
		"node lost, but the pod still Ready": {
			devServer(ranBefore),
			status.Observed{StatefulSet: set(), Pod: pod(podReady), NodeLost: true},
			devv1.PhaseRunning, devv1.ReasonAnswering, "",
		},
		"unbound claim": {
			devServer(), status.Observed{Pod: pod(unbound)}, devv1.PhaseStarting, devv1.ReasonStarting, "being created and started",
		},
		"claim that the scheduler does not know yet": {
			devServer(),
			status.Observed{Pod: pod(unbound, func(p *corev1.Pod) {
				p.Status.Conditions[0].Message = `0/1 nodes are available: persistentvolume "pvc-b9000933" not found. not found`
			})},
			devv1.PhaseStarting, devv1.ReasonStarting, "",
		},
		"claim on its way for long": {
			devServer(),
			status.Observed{Pod: pod(unbound), VolumeFailure: "The PersistentVolumeClaim x has no volume yet"},
			devv1.PhasePending, devv1.ReasonClaimNotBound, "x has no volume yet",
		},
		"claim unbound": {
			devServer(),
			status.Observed{Pod: pod(func(p *corev1.Pod) { p.Spec.NodeName = "" }), VolumeFailure: "The PersistentVolumeClaim x has no volume: no class"},
			devv1.PhasePending, devv1.ReasonClaimNotBound, "x has no volume: no class",
		},
		"volume not mounted": {
			devServer(),
			status.Observed{Pod: pod(), VolumeFailure: "Multi-Attach error"},
			devv1.PhaseFailed, devv1.ReasonVolumeFailed, "cannot be mounted: Multi-Attach error",
		},
		"deleted with its home": {
			devServer(func(d *devv1.DevServer) {
				d.DeletionTimestamp, d.Spec.Home = &start, &devv1.HomeSpec{RetentionPolicy: devv1.HomeDelete}
			}),
			status.Observed{},
			devv1.PhaseTerminating, devv1.ReasonTerminating, "Its home directory is deleted with it.",
		},
		"quota": {
			devServer(),
			status.Observed{StatefulSet: set(), PodRefused: `create Pod alice-0 in StatefulSet alice failed error: pods "alice-0" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=8, limited: requests.nvidia.com/gpu=8`},
			devv1.PhasePending, devv1.ReasonQuotaExceeded, "ResourceQuota gpus is exceeded: requested requests.nvidia.com/gpu=1, used requests.nvidia.com/gpu=8, limit requests.nvidia.com/gpu=8. Stop or delete another server, or ask an admin for a larger quota.",
		},
		"Pod Security": {
			devServer(),
			status.Observed{StatefulSet: set(), PodRefused: `create Pod alice-0 in StatefulSet alice failed error: pods "alice-0" is forbidden: violates PodSecurity "restricted:latest": hostPath volumes`},
			devv1.PhasePending, devv1.ReasonAdmissionRefused, `does not allow the server's pod: violates PodSecurity "restricted:latest"`,
		},
		"Pod Security, and root": {
			devServer(),
			status.Observed{StatefulSet: set(), Flavor: "cpu-root", Root: true, PodRefused: `create Pod alice-0 in StatefulSet alice failed error: pods "alice-0" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (…)`},
			devv1.PhasePending, devv1.ReasonAdmissionRefused, "The flavor cpu-root gives root, and the namespace team does not allow it: its Pod Security level is restricted. An admin can allow it: kubectl label namespace team pod-security.kubernetes.io/enforce=baseline --overwrite,",
		},
		"another refusal, and root": {
			devServer(),
			status.Observed{StatefulSet: set(), Root: true, PodRefused: `create Pod alice-0 in StatefulSet alice failed error: pods "alice-0" is forbidden: maximum memory usage per Pod is 1Gi`},
			devv1.PhasePending, devv1.ReasonAdmissionRefused, "does not allow the server's pod: maximum memory usage",
		},
		"home not idmappable": {
			devServer(),
			status.Observed{Flavor: "cpu-root", Home: home("pv-1"), Pod: pod(initStatus(corev1.ContainerStatus{State: waiting("RunContainerError", unmappable("/volumes/kubernetes.io~csi/pv-1/mount"))}))},
			devv1.PhaseFailed, devv1.ReasonVolumeNotIdmappable, "The flavor cpu-root gives root in a user namespace, and the file system of the home directory (PersistentVolumeClaim home-alice-0) cannot be mounted in one",
		},
		"home not idmappable, between two tries": {
			devServer(),
			status.Observed{Home: home("pv-1"), Pod: pod(initStatus(corev1.ContainerStatus{
				State: waiting("CrashLoopBackOff", "back-off 10s"), LastTerminationState: terminated(128, "StartError", unmappable("/volume-subpaths/pv-1/prepare/0")),
			}))},
			devv1.PhaseFailed, devv1.ReasonVolumeNotIdmappable, "PersistentVolumeClaim home-alice-0",
		},
		"ephemeral home not idmappable": {
			devServer(func(d *devv1.DevServer) { d.Spec.Home = &devv1.HomeSpec{Ephemeral: true} }),
			status.Observed{Pod: pod(initStatus(corev1.ContainerStatus{State: terminated(128, "StartError", unmappable("/volumes/kubernetes.io~empty-dir/home"))}))},
			devv1.PhaseFailed, devv1.ReasonVolumeNotIdmappable, "the file system of the home directory cannot be",
		},
		"shared volume not idmappable": {
			devServer(),
			status.Observed{Home: home("pv-1"), Pod: pod(serverStatus(corev1.ContainerStatus{State: waiting("RunContainerError", unmappable("/volumes/kubernetes.io~nfs/pv-2"))}))},
			devv1.PhaseFailed, devv1.ReasonVolumeNotIdmappable, "the volume pv-2 (kubectl get pvc",
		},
		"shared volume not idmappable, by crun": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(corev1.ContainerStatus{State: waiting("CreateContainerError", "container create failed: mount_setattr `/shared`: Invalid argument (maybe the file system used doesn't support idmap mounts on this kernel?)")}))},
			devv1.PhaseFailed, devv1.ReasonVolumeNotIdmappable, "the volume at /shared",
		},
		"image not idmappable": {
			devServer(),
			status.Observed{Flavor: "cpu-root", Pod: pod(initStatus(corev1.ContainerStatus{State: waiting("RunContainerError",
				"failed to set MOUNT_ATTR_IDMAP on /run/containerd/io.containerd.grpc.v1.cri/image-volumes/df59/2c91: invalid argument (maybe the filesystem used doesn't support idmap mounts on this kernel?)")}))},
			devv1.PhaseFailed, devv1.ReasonContainerConfigError, "the containerd of the node node-1 cannot mount images in one",
		},
		"uid beyond a user namespace": {
			devServer(),
			status.Observed{Flavor: "cpu-root", Root: true, Pod: pod(), VolumeFailure: sandbox("unable to setup user: setgroups: invalid argument")},
			devv1.PhaseFailed, devv1.ReasonContainerConfigError, "has no uid as high as the server's",
		},
		"no sandbox": {
			devServer(),
			status.Observed{Pod: pod(), VolumeFailure: sandbox("no space left on device")},
			devv1.PhaseFailed, devv1.ReasonContainerConfigError, "The node node-1 cannot start the pod: failed to start sandbox: runc create failed: no space left on device",
		},
		"no user namespaces": {
			devServer(),
			status.Observed{Pod: pod(), VolumeFailure: "Failed to create pod sandbox: can't set `spec.hostUsers: false`, runtime does not support user namespaces"},
			devv1.PhaseFailed, devv1.ReasonContainerConfigError, "The node node-1 cannot start the pod: can't set `spec.hostUsers: false`, runtime does not support user namespaces",
		},
		"stopped answering": {
			devServer(ranBefore),
			status.Observed{Pod: pod(serverStatus(corev1.ContainerStatus{State: running, Started: new(true)}))},
			devv1.PhaseFailed, devv1.ReasonNotAnswering, "stopped answering",
		},
		"killed for memory, beside the SSH server": {
			devServer(ranBefore),
			status.Observed{Pod: pod(limited, serverStatus(corev1.ContainerStatus{State: waiting("CrashLoopBackOff", "back-off 10s"), LastTerminationState: terminated(137, "OOMKilled", "")}), sshStatus(answering))},
			devv1.PhaseFailed, devv1.ReasonOOMKilled, "The server used more memory than its limit of 32Gi, and is started again.",
		},
		"crash beside the SSH server": {
			devServer(ranBefore),
			status.Observed{Pod: pod(serverStatus(corev1.ContainerStatus{State: terminated(3, "Error", "no home")}), sshStatus(answering))},
			devv1.PhaseFailed, devv1.ReasonCrashLoop, "The server's main process ended: exit code 3: no home",
		},
		"crash of the SSH server": {
			devServer(ranBefore),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(corev1.ContainerStatus{State: waiting("CrashLoopBackOff", "back-off 10s"), LastTerminationState: terminated(1, "Error", "no host key")}))},
			devv1.PhaseFailed, devv1.ReasonNotAnswering, "The SSH server of the pod alice-0 ended: exit code 1: no host key",
		},
		"SSH server killed for memory": {
			devServer(),
			status.Observed{Flavor: "small", Pod: pod(serverStatus(answering), sshStatus(corev1.ContainerStatus{State: terminated(137, "OOMKilled", "")}))},
			devv1.PhaseFailed, devv1.ReasonNotAnswering, "The SSH server of the pod alice-0 ended: exit code 137 (OOMKilled). An admin can give it more memory, in spec.sshResources of the DevServerFlavor small.",
		},
		"image of the SSH server": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(corev1.ContainerStatus{Image: "example.com/nope:1", State: waiting("ErrImagePull", pull)}))},
			devv1.PhaseFailed, devv1.ReasonContainerConfigError, "The node cannot fetch the image of the container ssh: " + pull,
		},
		"SSH server stopped answering": {
			devServer(ranBefore),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(silent), added("istio-proxy", answering))},
			devv1.PhaseFailed, devv1.ReasonNotAnswering, "stopped answering",
		},
		"SSH server not answering yet": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(silent), added("istio-proxy", silent))},
			devv1.PhaseStarting, devv1.ReasonStarting, "being created and started",
		},
		"node deleted, and the containers were Ready": {
			devServer(ranBefore),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(answering)), NodeGone: true},
			devv1.PhaseStarting, devv1.ReasonEvicted, "its node was deleted",
		},
		"container that was added, not ready": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(answering), added("istio-proxy", silent))},
			devv1.PhaseStarting, devv1.ReasonContainerNotReady, "The container istio-proxy is not ready. For the cause: kubectl describe pod alice-0",
		},
		"container that was added, no longer ready": {
			devServer(ranBefore),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(answering), added("istio-proxy", silent))},
			devv1.PhaseFailed, devv1.ReasonContainerNotReady, "The container istio-proxy is not ready.",
		},
		"container that was added, in a pod of an older version": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(answering), added("istio-proxy", silent))},
			devv1.PhaseStarting, devv1.ReasonContainerNotReady, "The container istio-proxy is not ready.",
		},
		"container that was added, crashed": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(answering), added("istio-proxy", corev1.ContainerStatus{State: terminated(2, "Error", "no certificate")}))},
			devv1.PhaseFailed, devv1.ReasonContainerNotReady, "The container istio-proxy is not ready: it ended: exit code 2: no certificate",
		},
		"image of a container that was added": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(silent), added("istio-proxy", corev1.ContainerStatus{State: waiting("ErrImagePull", pull)}))},
			devv1.PhaseFailed, devv1.ReasonContainerConfigError, "The node cannot fetch the image of the container istio-proxy: " + pull,
		},
		"container that was added, starting": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(answering), sshStatus(answering), added("istio-proxy", corev1.ContainerStatus{State: waiting("ContainerCreating", "")}))},
			devv1.PhaseStarting, devv1.ReasonStarting, "being created and started",
		},
		"init container that was added, failed": {
			devServer(),
			status.Observed{Pod: pod(addedInit("vault-agent-init", corev1.ContainerStatus{State: terminated(1, "Error", "permission denied")}))},
			devv1.PhaseFailed, devv1.ReasonContainerNotReady, "The container vault-agent-init is not ready: it ended: exit code 1: permission denied",
		},
		"init container that was added, and for which the next waits": {
			devServer(),
			status.Observed{Pod: pod(addedInit("vault-agent-init", corev1.ContainerStatus{State: running}), addedInit(objects.PrepareContainer, corev1.ContainerStatus{State: waiting("PodInitializing", "")}))},
			devv1.PhaseStarting, devv1.ReasonContainerNotReady, "The container vault-agent-init is not ready.",
		},
		"sidecar for which nothing waits": {
			devServer(),
			status.Observed{Pod: pod(addedInit("istio-proxy", corev1.ContainerStatus{State: running}), addedInit(objects.PrepareContainer, corev1.ContainerStatus{State: running}), serverStatus(corev1.ContainerStatus{State: waiting("PodInitializing", "")}))},
			devv1.PhaseStarting, devv1.ReasonStarting, "being created and started",
		},
		"sidecar, not ready": {
			devServer(),
			status.Observed{Pod: pod(addedInit("istio-proxy", corev1.ContainerStatus{State: running}), addedInit(objects.PrepareContainer, corev1.ContainerStatus{State: terminated(0, "Completed", ""), Ready: true}), serverStatus(answering), sshStatus(answering))},
			devv1.PhaseStarting, devv1.ReasonContainerNotReady, "The container istio-proxy is not ready.",
		},
		"not answering yet": {
			devServer(),
			status.Observed{Pod: pod(serverStatus(corev1.ContainerStatus{State: running, Started: new(true)}))},
			devv1.PhaseStarting, devv1.ReasonStarting, "being created and started",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := status.Compute(tc.d, tc.o, now)
			c := meta.FindStatusCondition(got.Conditions, devv1.ConditionReady)
			if got.Phase != tc.phase || c.Reason != tc.reason || !strings.Contains(c.Message, tc.message) {
				t.Errorf("got %s, %s: %s\nwant %s, %s: …%s…", got.Phase, c.Reason, c.Message, tc.phase, tc.reason, tc.message)
			}
			if isTrue, running := c.Status == metav1.ConditionTrue, tc.phase == devv1.PhaseRunning; isTrue != running {
				t.Errorf("Ready is %s in the phase %s", c.Status, tc.phase)
			}
			if got.ObservedGeneration != 3 || c.ObservedGeneration != 3 {
				t.Errorf("observedGeneration is %d, in the condition %d, want 3", got.ObservedGeneration, c.ObservedGeneration)
			}
			// What was computed once is computed again: nothing is written.
			tc.d.Status = got
			if diff := cmp.Diff(got, status.Compute(tc.d, tc.o, now.Add(time.Hour))); diff != "" && tc.reason != devv1.ReasonStarting {
				t.Errorf("the same observation an hour later gives another status:\n%s", diff)
			}
		})
	}
}

// An image that cannot be pulled alternates between two states of the kubelet.
func TestPullMessageDoesNotFlap(t *testing.T) {
	const cause = `failed to pull image "x:1": not found`
	message := func(reason, text string) string {
		o := status.Observed{Pod: pod(serverStatus(corev1.ContainerStatus{Image: "x:1", State: waiting(reason, text)}))}
		return meta.FindStatusCondition(status.Compute(devServer(), o, now).Conditions, devv1.ConditionReady).Message
	}
	if a, b := message("ErrImagePull", cause), message("ImagePullBackOff", `Back-off pulling image "x:1": ErrImagePull: `+cause); a != b {
		t.Errorf("two messages for one cause:\n%s\n%s", a, b)
	}
}

// Nothing is written between the first pass and the last: the status of a
// start that nothing prevents is the same with and without its pod.
func TestStartIsOneStatus(t *testing.T) {
	first := status.Compute(devServer(), status.Observed{}, now)
	d := devServer()
	d.Status = first
	created := pod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending })
	if diff := cmp.Diff(first, status.Compute(d, status.Observed{Pod: created}, now)); diff != "" {
		t.Errorf("the pod's creation changes the status:\n%s", diff)
	}
}

// The prepare step cannot start while the server's image, which is its volume, is missing.
// The agent's image has nothing to do with it.
func TestPullOfTheVolumeDoesNotBlameTheAgent(t *testing.T) {
	cause := `failed to pull and unpack image "example.com/nope:1": not found`
	o := status.Observed{Pod: pod(initStatus(corev1.ContainerStatus{Image: "example.com/agent:1", State: waiting("ErrImagePull", cause)}))}
	c := meta.FindStatusCondition(status.Compute(devServer(), o, now).Conditions, devv1.ConditionReady)
	if strings.Contains(c.Message, "agent") || !strings.Contains(c.Message, "example.com/nope:1") {
		t.Errorf("the message is %q", c.Message)
	}
}

func TestAccepted(t *testing.T) {
	problem := status.Observed{Pod: pod(podReady), Problem: &status.Problem{Reason: devv1.ReasonClaimNotFound, Message: "no claim"}}
	got := status.Compute(devServer(), problem, now)
	if c := meta.FindStatusCondition(got.Conditions, devv1.ConditionAccepted); c.Status != metav1.ConditionFalse || c.Reason != devv1.ReasonClaimNotFound {
		t.Errorf("Accepted is %s, %s with a problem", c.Status, c.Reason)
	}
	if got := status.Compute(devServer(), status.Observed{}, now); !meta.IsStatusConditionTrue(got.Conditions, devv1.ConditionAccepted) {
		t.Error("Accepted is not True without a problem")
	}
}

// unmappable is what containerd and runc say of a volume below a pod's folder.
func unmappable(path string) string {
	return "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: failed to fulfil mount request: failed to set MOUNT_ATTR_IDMAP on /var/lib/kubelet/pods/1e3d" + path +
		": invalid argument (maybe the filesystem used doesn't support idmap mounts on this kernel?): unknown"
}

// sandbox is the kubelet's event of a try, with an id that the next one has not.
func sandbox(cause string) string {
	return `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to start sandbox "6d7ea61eb08971bda1b405a541c4fececf44a5e452112eea726055cb4fd1f6f5": runc create failed: ` + cause
}

func home(volume string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "home-alice-0"}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: volume}}
}

func limited(p *corev1.Pod) {
	p.Spec.Containers = []corev1.Container{{Name: objects.ServerContainer, Resources: corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("32Gi")},
	}}}
}

func unbound(p *corev1.Pod) {
	p.Spec.NodeName = ""
	p.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		Message: "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
	}}
}

func deleted(p *corev1.Pod) { p.DeletionTimestamp = &start }

func disrupted(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, Message: message}}
	}
}

func settings(text string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations = map[string]string{desired.AnnotationSettings: text} }
}

func withSettings(text string) *appsv1.StatefulSet {
	s := set()
	s.Spec.Template.Annotations = map[string]string{desired.AnnotationSettings: text}
	return s
}

func TestResizePending(t *testing.T) {
	claim := func(capacity string, edits ...func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
		c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "home-alice-0"}}
		if capacity != "" {
			c.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(capacity)}
		}
		for _, edit := range edits {
			edit(c)
		}
		return c
	}
	is := func(kind corev1.PersistentVolumeClaimConditionType) func(*corev1.PersistentVolumeClaim) {
		return func(c *corev1.PersistentVolumeClaim) {
			c.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{Type: kind, Status: corev1.ConditionTrue, Message: "disk on fire"}}
		}
	}
	infeasible := func(c *corev1.PersistentVolumeClaim) {
		c.Status.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{corev1.ResourceStorage: corev1.PersistentVolumeClaimControllerResizeInfeasible}
	}
	for name, tc := range map[string]struct {
		o       status.Observed
		reason  string
		message string
	}{
		"no claim":      {status.Observed{}, devv1.ReasonSizeAsRequested, ""},
		"not bound yet": {status.Observed{Home: claim("")}, devv1.ReasonSizeAsRequested, ""},
		"as asked":      {status.Observed{Home: claim("20Gi")}, devv1.ReasonSizeAsRequested, ""},
		"larger":        {status.Observed{Home: claim("30Gi")}, devv1.ReasonSizeAsRequested, ""},
		"resizing":      {status.Observed{Home: claim("10Gi")}, devv1.ReasonResizing, "20Gi"},
		"file system":   {status.Observed{Home: claim("10Gi", is(corev1.PersistentVolumeClaimFileSystemResizePending))}, devv1.ReasonFileSystemResizePending, "next start"},
		"failed":        {status.Observed{Home: claim("10Gi", is(corev1.PersistentVolumeClaimControllerResizeError))}, devv1.ReasonResizeFailed, "disk on fire"},
		"infeasible":    {status.Observed{Home: claim("10Gi", infeasible)}, devv1.ReasonResizeFailed, "kubectl describe pvc home-alice-0"},
		"refused":       {status.Observed{Home: claim("10Gi"), HomeRefused: &status.Problem{Reason: devv1.ReasonNotExpandable, Message: "no"}}, devv1.ReasonNotExpandable, "no"},
	} {
		d := devServer(func(d *devv1.DevServer) { d.Spec.PersistentHomeSize = resource.MustParse("20Gi") })
		got := meta.FindStatusCondition(status.Compute(d, tc.o, now).Conditions, devv1.ConditionResizePending)
		if pending := got.Status == metav1.ConditionTrue; got.Reason != tc.reason || !strings.Contains(got.Message, tc.message) || pending == (tc.reason == devv1.ReasonSizeAsRequested) {
			t.Errorf("%s: got %+v, want %s: …%s…", name, got, tc.reason, tc.message)
		}
	}
}

func TestHome(t *testing.T) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "home-alice-0"}}
	claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")}
	if got := status.Compute(devServer(), status.Observed{Home: claim}, now).Home; got != nil {
		t.Errorf("a home on the way to Running costs a write: %+v", got)
	}
	running := status.Compute(devServer(), status.Observed{Home: claim, Pod: pod(podReady)}, now)
	if got, want := running.Home, (&devv1.HomeStatus{ClaimName: "home-alice-0", Capacity: "10Gi"}); !cmp.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}
	suspended := status.Compute(devServer(func(d *devv1.DevServer) { d.Status = running }), status.Observed{Home: claim}, now)
	if got := suspended.Home.Capacity; got != "20Gi" {
		t.Errorf("a home that grew is shown as %s", got)
	}
}

func old(p *corev1.Pod) { p.Labels[appsv1.StatefulSetRevisionLabel] = "alice-old" }

// hash gives the pod a hash.
func hash(text string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Annotations = map[string]string{objects.AnnotationTemplateHash: text}
	}
}

// hashed is a StatefulSet whose template has the hash.
func hashed(text string) *appsv1.StatefulSet {
	s := set()
	s.Spec.Template.Annotations = map[string]string{objects.AnnotationTemplateHash: text}
	return s
}

// lagging is a StatefulSet whose controller has not seen the newest template.
func lagging() *appsv1.StatefulSet {
	s := set()
	s.Generation++
	return s
}

func laggingHashed(text string) *appsv1.StatefulSet {
	s := hashed(text)
	s.Generation++
	return s
}

// The flavor is that of the pod, which holds its resources, until there is
// another pod or none.
func TestFlavorInUse(t *testing.T) {
	for name, tc := range map[string]struct {
		was  string
		o    status.Observed
		want string
	}{
		"first pass":             {"", status.Observed{Applied: true}, "new"},
		"first pass, refused":    {"", status.Observed{}, "new"},
		"suspended":              {"old", status.Observed{StatefulSet: set(), Applied: true}, "new"},
		"restarted":              {"old", status.Observed{StatefulSet: set(), Pod: pod(), Applied: true}, "new"},
		"restart pending":        {"old", status.Observed{StatefulSet: set(), Pod: pod(old), Applied: true}, "old"},
		"being restarted":        {"old", status.Observed{StatefulSet: set(), Pod: pod(old, deleted), Applied: true}, "old"},
		"just applied":           {"old", status.Observed{StatefulSet: lagging(), Pod: pod(), Applied: true}, "old"},
		"not applied":            {"old", status.Observed{StatefulSet: set(), Pod: pod()}, "old"},
		"the status was lost":    {"", status.Observed{StatefulSet: set(), Pod: pod(old), Applied: true}, "new"},
		"StatefulSet taken away": {"old", status.Observed{Pod: pod(), Applied: true}, "old"},
	} {
		tc.o.Flavor = "new"
		d := devServer(func(d *devv1.DevServer) { d.Status.Flavor = tc.was })
		if got := status.Compute(d, tc.o, now).Flavor; got != tc.want {
			t.Errorf("%s: the flavor is %s, want %s", name, got, tc.want)
		}
	}
}

func TestRestartPending(t *testing.T) {
	for name, tc := range map[string]struct {
		o    status.Observed
		want bool
	}{
		"no pod":            {status.Observed{StatefulSet: set()}, false},
		"same revision":     {status.Observed{StatefulSet: set(), Pod: pod(podReady)}, false},
		"old revision":      {status.Observed{StatefulSet: set(), Pod: pod(podReady, old)}, true},
		"being restarted":   {status.Observed{StatefulSet: withSettings(`{"version":1,"image":"b"}`), Pod: pod(podReady, old, settings(`{"version":1,"image":"a"}`))}, false},
		"being deleted":     {status.Observed{StatefulSet: set(), Pod: pod(podReady, old, deleted)}, false},
		"revision not made": {status.Observed{StatefulSet: lagging(), Pod: pod(podReady, old)}, false},
		// What has no hash was created by the previous version of the operator.
		"new revision, same hash":         {status.Observed{StatefulSet: hashed("a"), Pod: pod(podReady, old, hash("a"))}, false},
		"new revision, other hash":        {status.Observed{StatefulSet: hashed("b"), Pod: pod(podReady, old, hash("a"))}, true},
		"other hash, revision not made":   {status.Observed{StatefulSet: laggingHashed("b"), Pod: pod(podReady, hash("a"))}, false},
		"new revision, pod without hash":  {status.Observed{StatefulSet: hashed("b"), Pod: pod(podReady, old)}, true},
		"same revision, pod without hash": {status.Observed{StatefulSet: hashed("b"), Pod: pod(podReady)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := status.Compute(devServer(), tc.o, now)
			if is := meta.IsStatusConditionTrue(got.Conditions, devv1.ConditionRestartPending); is != tc.want {
				t.Errorf("RestartPending is %t, want %t", is, tc.want)
			}
		})
	}
}

func TestSSH(t *testing.T) {
	service := func(kind corev1.ServiceType) *corev1.Service {
		return &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "alice-ssh", Namespace: "team"},
			Spec:       corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Name: "ssh", Port: 22, NodePort: 31022}}},
		}
	}
	balanced := service(corev1.ServiceTypeLoadBalancer)
	balanced.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "198.51.100.7"}}
	known := func(d *devv1.DevServer) {
		d.Status.SSH = &devv1.SSHStatus{Host: "192.0.2.1", Port: 31022, HostKey: "ssh-ed25519 AAAA"}
	}
	none := func(d *devv1.DevServer) { d.Spec.SSH.Service.Type = devv1.SSHServiceNone }

	for name, tc := range map[string]struct {
		d    *devv1.DevServer
		o    status.Observed
		want *devv1.SSHStatus
	}{
		"nothing known": {devServer(), status.Observed{}, nil},
		"no node yet": {
			devServer(),
			status.Observed{SSHService: service(corev1.ServiceTypeNodePort), HostKey: "ssh-ed25519 AAAA"},
			&devv1.SSHStatus{Port: 31022, HostKey: "ssh-ed25519 AAAA"},
		},
		"node port": {
			devServer(),
			status.Observed{SSHService: service(corev1.ServiceTypeNodePort), Pod: pod(podReady), NodeAddress: "192.0.2.1"},
			&devv1.SSHStatus{Host: "192.0.2.1", Port: 31022, Command: "ssh -p 31022 -o HostKeyAlias=alice.team dev@192.0.2.1"},
		},
		"Service deleted": {
			devServer(known),
			status.Observed{},
			&devv1.SSHStatus{Host: "192.0.2.1", Port: 31022, HostKey: "ssh-ed25519 AAAA", Command: "ssh -p 31022 -o HostKeyAlias=alice.team dev@192.0.2.1"},
		},
		"load balancer": {
			devServer(),
			status.Observed{SSHService: balanced},
			&devv1.SSHStatus{Host: "198.51.100.7", Port: 22, Command: "ssh -o HostKeyAlias=alice.team dev@198.51.100.7"},
		},
		"cluster IP": {
			devServer(),
			status.Observed{SSHService: service(corev1.ServiceTypeClusterIP)},
			&devv1.SSHStatus{Host: "alice-ssh.team.svc", Port: 22, Command: "ssh -o HostKeyAlias=alice.team dev@alice-ssh.team.svc"},
		},
		"none": {devServer(known, none), status.Observed{}, &devv1.SSHStatus{HostKey: "ssh-ed25519 AAAA"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, status.Compute(tc.d, tc.o, now).SSH); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The pod's node and address are written only once the phase is Running, so the steps
// to Running take no extra write.
func TestNodeAndAddressOfARunningPod(t *testing.T) {
	starting := status.Compute(devServer(), status.Observed{Pod: pod()}, now)
	if starting.NodeName != "" || starting.PodIP != "" || starting.StartedAt != nil {
		t.Errorf("the status of a starting server has the pod's node or address: %+v", starting)
	}
	running := status.Compute(devServer(), status.Observed{Pod: pod(podReady)}, now)
	if running.NodeName != "node-1" || running.PodIP != "10.0.0.1" || !running.StartedAt.Equal(&start) || running.PodName != "alice-0" {
		t.Errorf("the status of a running server is %+v", running)
	}
	stopped := status.Compute(devServer(ranBefore), status.Observed{}, now)
	if stopped.PodIP != "" || stopped.NodeName != "node-1" {
		t.Errorf("without a pod, want no address and the last node, got %q and %q", stopped.PodIP, stopped.NodeName)
	}
}

func TestLongMessageIsCut(t *testing.T) {
	o := status.Observed{Problem: &status.Problem{Reason: "X", Message: strings.Repeat("é", 5000)}}
	c := meta.FindStatusCondition(status.Compute(devServer(), o, now).Conditions, devv1.ConditionReady)
	if n := len([]rune(c.Message)); n != 1024 || !strings.HasSuffix(c.Message, "…") {
		t.Errorf("the message has %d characters and ends with %q", n, c.Message[len(c.Message)-6:])
	}
}
