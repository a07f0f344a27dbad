package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/sshkeys"
)

// bareLoop creates the objects that the operator creates for a DevServer, without reading
// or reporting anything. Its duration is what the control plane alone takes.
type bareLoop struct {
	client *kubernetes.Clientset
	flavor *v1.DevServerFlavor
	image  string
	agent  string
}

// newBareLoop returns a loop that acts with the operator's rights.
func newBareLoop(kubeconfig string, c *chart, flavor *v1.DevServerFlavor) (*bareLoop, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.DisableCompression = -1, true
	l := &bareLoop{flavor: flavor, image: c.flag("default-image"), agent: c.flag("agent-image")}
	l.client, err = kubernetes.NewForConfig(config)
	return l, err
}

// apply creates the objects of a new DevServer.
func (l *bareLoop) apply(ctx context.Context, d *v1.DevServer) error {
	keys, err := sshkeys.Derive(make([]byte, 32), d.Namespace, d.Name, d.Spec.Owner)
	if err != nil {
		return err
	}
	in := desired.Input{
		DevServer: d, Flavor: l.flavor, Image: l.image, UID: agentapi.UID, HomeRequest: d.Spec.PersistentHomeSize,
		AuthorizedKeys: []string{d.Spec.SSH.PublicKey}, Keys: keys, AgentImage: l.agent,
	}
	objects, err := desired.Objects(in)
	if err != nil {
		return err
	}
	for _, object := range append([]runtime.ApplyConfiguration{desired.Secret(in)}, objects...) {
		if err := l.send(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// send applies an object. It requests the shortest possible response and ignores it.
func (l *bareLoop) send(ctx context.Context, object runtime.ApplyConfiguration) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var named struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
	}
	if err := json.Unmarshal(body, &named); err != nil {
		return err
	}
	to := l.client.CoreV1().RESTClient()
	if named.Kind == "StatefulSet" {
		to = l.client.AppsV1().RESTClient()
	}
	err = to.Patch(types.ApplyPatchType).
		Namespace(named.Metadata.Namespace).Resource(strings.ToLower(named.Kind)+"s").Name(named.Metadata.Name).
		Param("fieldManager", "devserver-operator").
		SetHeader("Accept", "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").
		Body(body).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("apply %s %s/%s: %w", named.Kind, named.Metadata.Namespace, named.Metadata.Name, err)
	}
	return nil
}

// bare creates the objects of all servers without the operator, and waits until their
// pods are Ready.
func (s *scale) bare(ctx context.Context, w *crowd) error {
	loop, err := newBareLoop(s.kubeconfig, s.chart, w.flavor)
	if err != nil {
		return err
	}
	w.made, w.list, w.reached = loop.apply, &corev1.PodList{}, ready
	before, err := s.usage()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := w.run(ctx, s.standIn.Ended); err != nil {
		return err
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	did, err := s.calls()
	if err != nil {
		return err
	}
	each, all := w.times()
	s.one("bare loop: all pods are Ready", "s", all, 0, fmt.Sprintf("%.1f servers/s", float64(len(w.servers))/all))
	s.one("bare loop: all have their objects", "s", did.written.Sub(begin).Seconds(), 0, "")
	s.r.add(result{Target: "scale", Name: "bare loop: each, created to Ready", Unit: "s", Values: each})
	s.one("bare loop: writing calls per server", "", float64(did.writing)/float64(len(w.servers)), 0, did.writes.note(len(w.servers)))
	s.one("bare loop: CPU time of all", "s", others(before, after), 0, othersNote(before, after))
	return nil
}
