package logs

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
)

// Options say which of the logs to print.
type Options struct {
	Follow, Previous, Timestamps bool
	Since                        time.Duration
	Tail                         int64 // negative for all lines
}

// Run prints the logs on Out.
func Run(ctx context.Context, to *cluster.Cluster, namespace, name string, o Options, streams genericiooptions.IOStreams) error {
	ds, err := cluster.Get(ctx, to.Client, namespace, name)
	if err != nil {
		return err
	}
	doing := "reading the logs of DevServer " + name
	var pod corev1.Pod
	err = to.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: objects.PodName(name)}, &pod)
	switch {
	case apierrors.IsNotFound(err):
		return noPod(ds)
	case err != nil:
		return cluster.Explain(err, doing)
	}
	container, status := choose(&pod)
	if container == objects.PrepareContainer {
		fmt.Fprintln(streams.ErrOut, "These are the logs of the step that prepares the server; the server itself has not started.")
	}
	switch {
	case o.Previous && (status == nil || status.RestartCount == 0):
		return exit.With(exit.Refused, fmt.Errorf("%s: its container was never restarted in this pod, so it has no previous logs", doing))
	case !o.Previous && !hasLogs(status):
		return exit.With(exit.Refused, fmt.Errorf("%s: it has not started yet%s: to wait for it: devctl wait %s -n %s", doing, cause(ds), name, namespace))
	}
	err = stream(ctx, to.Config, &pod, o.request(container), streams.Out)
	if err != nil && ctx.Err() == nil { // Ctrl-C ends it.
		return cluster.Explain(err, doing)
	}
	return nil
}

// choose is the container whose logs to print: the step that prepares the server
// until that has succeeded.
func choose(pod *corev1.Pod) (string, *corev1.ContainerStatus) {
	if s := find(pod.Status.InitContainerStatuses, objects.PrepareContainer); s != nil && (s.State.Terminated == nil || s.State.Terminated.ExitCode != 0) && hasLogs(s) {
		return s.Name, s
	}
	return objects.ServerContainer, find(pod.Status.ContainerStatuses, objects.ServerContainer)
}

func find(statuses []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range statuses {
		if statuses[i].Name == name {
			return &statuses[i]
		}
	}
	return nil
}

// hasLogs tells whether a container has ever run.
func hasLogs(s *corev1.ContainerStatus) bool {
	return s != nil && (s.State.Waiting == nil || s.RestartCount > 0 || s.LastTerminationState.Terminated != nil)
}

// noPod is the error for a server without a pod. It reports how the last one ended.
func noPod(ds *devserverv1.DevServer) error {
	text := fmt.Sprintf("DevServer %s has no pod, so it has no logs%s", ds.Name, cause(ds))
	if d := ds.Status.LastDisruption; d != nil {
		text += fmt.Sprintf(": its last unrequested stop: %s: %s", d.Reason, strings.TrimSuffix(d.Message, "."))
	}
	return exit.With(exit.Refused, fmt.Errorf("%s: for its events: devctl events %s -n %s", text, ds.Name, ds.Namespace))
}

// cause is why the server does not run, in brackets.
func cause(ds *devserverv1.DevServer) string {
	ready := meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionReady)
	if ready == nil {
		return ""
	}
	return fmt.Sprintf(" (%s: %s: %s)", ds.Status.Phase, ready.Reason, strings.TrimSuffix(ready.Message, "."))
}

func (o Options) request(container string) *corev1.PodLogOptions {
	request := &corev1.PodLogOptions{Container: container, Follow: o.Follow, Previous: o.Previous, Timestamps: o.Timestamps}
	if o.Since > 0 {
		request.SinceSeconds = new(int64(o.Since.Round(time.Second).Seconds()))
	}
	if o.Tail >= 0 {
		request.TailLines = new(o.Tail)
	}
	return request
}

// stream copies the logs. controller-runtime's client has no streams, and
// client-go's typed one would bring all of Kubernetes' types along.
func stream(ctx context.Context, config *rest.Config, pod *corev1.Pod, request *corev1.PodLogOptions, out io.Writer) error {
	scheme := cluster.Scheme()
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/api", &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	api, err := rest.RESTClientFor(config)
	if err != nil {
		return err
	}
	logs, err := api.Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("log").
		VersionedParams(request, runtime.NewParameterCodec(scheme)).Stream(ctx)
	if err != nil {
		return err
	}
	defer logs.Close()
	_, err = io.Copy(out, logs)
	return err
}
