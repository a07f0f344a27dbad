package wait

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

// sentences describe each stage while it is the current one.
var sentences = map[string]string{
	accepted:  "Its objects are being created",
	scheduled: "The scheduler is looking for a node",
	attached:  "Its home directory is being attached",
	prepared:  "Its image is being fetched and its home directory prepared",
	started:   "Its first process is being started",
	answering: "It has started, and its SSH server does not answer yet",
}

// Current says in a sentence which stage of starting a DevServer has reached;
// empty for one that runs. The pod, the claim of the home and the events
// about the pod may be nil.
func Current(ds *devserverv1.DevServer, pod *corev1.Pod, claim *corev1.PersistentVolumeClaim, events []corev1.Event) string {
	for _, s := range stages(observed{devServer: ds, pod: pod, claim: claim, events: events}) {
		if s.state == done {
			continue
		}
		text := sentences[s.name]
		if s.detail != "" {
			text += ": " + strings.TrimSuffix(s.detail, ".")
		}
		return text + "."
	}
	return ""
}
