package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
)

// stage is a point in the start of a server, from created to Running. Its time is when a
// client that watches the API server sees it.
type stage int

const (
	accepted stage = iota
	sawHeadless
	sawSSHService
	sawSecret
	sawStatefulSet
	podCreated
	claimBound
	podScheduled
	prepareStarted
	prepareEnded
	mainStarted
	podIsReady
	statusRunning
	stageCount
)

// steps has the steps that the table shows. A step ends when all of its stages were seen.
var steps = []struct {
	name string
	of   []stage
}{
	{"accepted by the API server", []stage{accepted}},
	{"children written", []stage{sawHeadless, sawSSHService, sawSecret, sawStatefulSet}},
	{"pod created", []stage{podCreated}},
	{"home bound, pod scheduled", []stage{claimBound, podScheduled}},
	{"prepare started", []stage{prepareStarted}},
	{"prepare ended", []stage{prepareEnded}},
	{"main container started", []stage{mainStarted}},
	{"pod Ready", []stage{podIsReady}},
	{"status Running", []stage{statusRunning}},
}

// stages has the seconds from the creation of a server until each stage.
type stages map[stage]float64

// observer records when it first saw each server at each stage.
type observer struct {
	mu    sync.Mutex
	seen  map[string]map[stage]time.Time
	more  chan struct{}
	stops []func()
}

// observe watches all objects of a namespace's servers.
func observe(ctx context.Context, c client.WithWatch, ns string) (*observer, error) {
	w := &observer{seen: map[string]map[stage]time.Time{}, more: make(chan struct{})}
	for _, list := range []client.ObjectList{
		&v1.DevServerList{}, &appsv1.StatefulSetList{}, &corev1.ServiceList{},
		&corev1.SecretList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PodList{},
	} {
		events, err := c.Watch(ctx, list, client.InNamespace(ns))
		if err != nil {
			w.stop()
			return nil, fmt.Errorf("watch %T: %w", list, err)
		}
		w.stops = append(w.stops, events.Stop)
		go func() {
			for e := range events.ResultChan() {
				if o, ok := e.Object.(client.Object); ok && e.Type != watch.Deleted {
					w.look(o)
				}
			}
		}()
	}
	return w, nil
}

func (w *observer) stop() {
	for _, stop := range w.stops {
		stop()
	}
}

// saw records a stage, unless it was seen before.
func (w *observer) saw(server string, s stage) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[server] == nil {
		w.seen[server] = map[stage]time.Time{}
	}
	if _, known := w.seen[server][s]; known {
		return
	}
	w.seen[server][s] = now
	close(w.more)
	w.more = make(chan struct{})
}

// look records the stages that an object's state shows.
func (w *observer) look(o client.Object) {
	name := o.GetName()
	switch o := o.(type) {
	case *v1.DevServer:
		if o.Status.Phase == v1.PhaseRunning {
			w.saw(name, statusRunning)
		}
	case *appsv1.StatefulSet:
		w.saw(name, sawStatefulSet)
	case *corev1.Service:
		if server, ok := strings.CutSuffix(name, "-headless"); ok {
			w.saw(server, sawHeadless)
		} else {
			w.saw(strings.TrimSuffix(name, "-ssh"), sawSSHService)
		}
	case *corev1.Secret:
		w.saw(strings.TrimSuffix(name, "-ssh"), sawSecret)
	case *corev1.PersistentVolumeClaim:
		if o.Status.Phase == corev1.ClaimBound {
			w.saw(strings.TrimSuffix(strings.TrimPrefix(name, "home-"), "-0"), claimBound)
		}
	case *corev1.Pod:
		w.lookAtPod(strings.TrimSuffix(name, "-0"), o)
	}
}

func (w *observer) lookAtPod(server string, p *corev1.Pod) {
	w.saw(server, podCreated)
	if p.Spec.NodeName != "" {
		w.saw(server, podScheduled)
	}
	for _, c := range p.Status.InitContainerStatuses {
		if c.State.Running != nil || c.State.Terminated != nil {
			w.saw(server, prepareStarted)
		}
		if c.State.Terminated != nil {
			w.saw(server, prepareEnded)
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running != nil {
			w.saw(server, mainStarted)
		}
	}
	if podReady(p) {
		w.saw(server, podIsReady)
	}
}

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// await waits until every stage of a server was seen.
func (w *observer) await(ctx context.Context, server string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, fmt.Errorf("%s is not Running after 5 minutes", server))
	defer cancel()
	for {
		w.mu.Lock()
		seen, more := len(w.seen[server]), w.more
		w.mu.Unlock()
		if seen == int(stageCount) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-more:
		}
	}
}

func (w *observer) since(server string, begin time.Time) stages {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := stages{}
	for at, when := range w.seen[server] {
		s[at] = when.Sub(begin).Seconds()
	}
	return s
}

// reportStages adds the duration of the whole start and of each step to the report.
func reportStages(r *report, starts []stages) {
	whole := make([]float64, len(starts))
	parts := make([][]float64, len(steps))
	for i, s := range starts {
		whole[i] = s[statusRunning]
		before := 0.0
		for k, step := range steps {
			end := before
			for _, at := range step.of {
				end = max(end, s[at]) // separate watches may report stages in any order
			}
			parts[k] = append(parts[k], end-before)
			before = end
		}
	}
	r.add(result{Target: "start", Name: "created to Running", Unit: "s", Values: whole, Goal: 3})
	median := percentile(whole, 50)
	for k, step := range steps {
		r.add(result{Target: "start", Name: "… " + step.name, Unit: "s", Values: parts[k], Share: percentile(parts[k], 50) / median})
	}
}
