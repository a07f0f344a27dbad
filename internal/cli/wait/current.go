package wait

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

// sentences say of each stage that the server is at it.
var sentences = map[string]string{
	accepted:  "Its objects are being made",
	scheduled: "A node is being looked for",
	attached:  "Its home directory is being attached",
	prepared:  "Its image is being fetched, and its home directory prepared",
	started:   "Its first process is being started",
	answering: "It has started, and its SSH server does not answer yet",
}

// Current says in a sentence at which stage of its way to a shell a DevServer
// is; empty for one that is there. The pod, the claim of the home and the events
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
