package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"devserver.io/devserver/test/bench/plane"
	"devserver.io/devserver/test/cluster"
)

// operator is bin/operator, with the chart's flags and environment.
type operator struct {
	*plane.Process
	metrics, health string
}

// startOperator starts the operator and does not wait until it is ready.
func startOperator(p *plane.Plane, c *chart, kubeconfig string) (*operator, error) {
	path, err := cluster.Binary("operator")
	if err != nil {
		return nil, err
	}
	o := &operator{}
	if o.metrics, err = freeAddress(); err != nil {
		return nil, err
	}
	if o.health, err = freeAddress(); err != nil {
		return nil, err
	}
	env, err := c.env()
	if err != nil {
		return nil, err
	}
	o.Process, err = plane.Run(filepath.Join(p.Dir, "operator.log"), append(env, "KUBECONFIG="+kubeconfig), path, c.args(o.metrics, o.health)...)
	return o, err
}

// freeAddress returns an address on loopback that is free at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// until calls ok every 20 ms until it returns true or the operator ends.
func (o *operator) until(ctx context.Context, ok func(context.Context) (bool, error)) error {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for {
		if done, err := ok(ctx); done || err != nil {
			return err
		}
		if err := o.Ended(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pace.C:
		}
	}
}

// ready reports whether /readyz succeeds.
func (o *operator) ready(ctx context.Context) (bool, error) {
	body, err := fetch(ctx, "http://"+o.health+"/readyz")
	if err != nil {
		return false, ctx.Err()
	}
	return true, body.Close()
}

// leads reports whether the operator's controller has started, which means that it holds the
// leader's Lease and its caches are synced.
func (o *operator) leads(ctx context.Context) (bool, error) {
	q, err := o.queue(ctx)
	return q.workers > 0, err
}

// settled returns a function that reports whether the operator has made at least a number of
// passes and its queue is empty.
func (o *operator) settled(passes int) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		q, err := o.queue(ctx)
		return q.passes >= float64(passes) && q.waiting == 0 && q.active == 0, err
	}
}

// queue is the state of the DevServer controller's work queue.
type queue struct{ workers, passes, waiting, active float64 }

// queue reads the operator's metrics. Until it serves any, all are 0.
func (o *operator) queue(ctx context.Context) (queue, error) {
	body, err := fetch(ctx, "http://"+o.metrics+"/metrics")
	if err != nil {
		return queue{}, ctx.Err()
	}
	defer body.Close()
	return parseQueue(body)
}

func parseQueue(metrics io.Reader) (queue, error) {
	var q queue
	numbers := map[string]*float64{
		"controller_runtime_max_concurrent_reconciles": &q.workers,
		"controller_runtime_reconcile_total":           &q.passes,
		"workqueue_depth":                              &q.waiting,
		"controller_runtime_active_workers":            &q.active,
	}
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), "{")
		number := numbers[name]
		labels, value, _ := strings.Cut(rest, "} ")
		if number == nil || !strings.Contains(labels, `controller="devserver"`) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return q, fmt.Errorf("the metric %q: %w", lines.Text(), err)
		}
		*number += v // Some metrics have a label for the result or priority.
	}
	return q, lines.Err()
}

func fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s returned %s", url, response.Status), response.Body.Close())
	}
	return response.Body, nil
}
