package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/printable"
)

// Options say which of the logs to print.
type Options struct {
	// Container is one of the pod's containers. Empty means the containers of the server.
	Container                    string
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
	containers, err := choose(&pod, o)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if len(containers) == 0 {
		return exit.With(exit.Refused, fmt.Errorf("%s: it has not started yet%s: to wait for it: devctl wait %s -n %s", doing, cause(ds), name, namespace))
	}
	if containers[0] == objects.PrepareContainer && o.Container == "" {
		output.Println(streams.ErrOut, "These are the logs of the step that prepares the server; the server itself has not started.")
	}
	out := display(streams.Out)
	open, err := openerOf(to.Config, &pod)
	if err == nil && len(containers) > 1 {
		err = merged(ctx, open, containers, o, out)
	} else if err == nil {
		err = stream(ctx, open, o.request(containers[0]), out)
	}
	if err != nil && ctx.Err() == nil { // Ctrl-C ends it.
		return cluster.Explain(err, doing)
	}
	return nil
}

// choose returns the containers whose logs to print: the step that prepares the server
// until it has succeeded, and then the SSH server, which logs logins, and the server's
// main process. In a pod of an older version, one container is both. The result is empty
// if the containers have not run.
func choose(pod *corev1.Pod, o Options) ([]string, error) {
	statuses := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	names := []string{objects.SSHContainer, objects.ServerContainer}
	switch prepare := find(statuses, objects.PrepareContainer); {
	case o.Container != "" && find(statuses, o.Container) == nil:
		return nil, exit.With(exit.Usage, fmt.Errorf("its pod has no container %s, or the container has not started; the pod has %s", o.Container, list(statuses)))
	case o.Container != "":
		names = []string{o.Container}
	case prepare != nil && (prepare.State.Terminated == nil || prepare.State.Terminated.ExitCode != 0) && hasLogs(prepare):
		names = []string{objects.PrepareContainer}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !hasLogs(find(statuses, name)) })
	if !o.Previous || len(names) == 0 {
		return names, nil
	}
	names = slices.DeleteFunc(names, func(name string) bool { return find(statuses, name).RestartCount == 0 })
	if len(names) == 0 {
		return nil, exit.With(exit.Refused, errors.New("its container was never restarted in this pod, so it has no previous logs"))
	}
	return names, nil
}

func list(statuses []corev1.ContainerStatus) string {
	names := make([]string, 0, len(statuses))
	for _, s := range statuses {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
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

// openerOf opens the logs of the pod's containers.
func openerOf(config *rest.Config, pod *corev1.Pod) (opener, error) {
	api, err := cluster.CoreAPI(config)
	if err != nil {
		return nil, err
	}
	parameters := runtime.NewParameterCodec(cluster.Scheme())
	return func(ctx context.Context, request *corev1.PodLogOptions) (io.ReadCloser, error) {
		return api.Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("log").
			VersionedParams(request, parameters).Stream(ctx)
	}, nil
}

// display returns where to print logs. A file or a pipe gets every byte, as from kubectl.
// On a terminal, which acts on what a container wrote, only colors stay.
func display(out io.Writer) io.Writer {
	if output.IsTerminal(out) {
		return screen{output.Raw(out)}
	}
	return output.Raw(out)
}

// screen is a terminal. Each Write is one line.
type screen struct{ io.Writer }

func (s screen) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
	_, err := io.WriteString(s.Writer, printable.Colored(text)+"\n")
	return len(line), err
}

// stream prints one log.
func stream(ctx context.Context, open opener, request *corev1.PodLogOptions, out io.Writer) error {
	if _, ok := out.(screen); ok {
		return each(ctx, open, request, func(l line) {
			_, _ = io.WriteString(out, l.raw+"\n") // A terminal that is closed ends the program.
		})
	}
	logs, err := open(ctx, request)
	if err != nil {
		return err
	}
	defer logs.Close()
	_, err = io.Copy(out, logs)
	return err
}
