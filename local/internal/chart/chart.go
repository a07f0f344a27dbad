// Package chart installs the operator's Helm chart into a local cluster, as the
// README does into any other: as release devserver, with default values except
// for the images.
package chart

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"devserver.io/devserver/local/internal/progress"
)

const (
	// Namespace is the operator's namespace.
	Namespace = "devserver-system"
	// release is the name of the Helm release, as in the README.
	release = "devserver"
	// formerRelease is the name of the release that earlier checkouts installed.
	formerRelease = "devserver-operator"
)

// Options says what to install, and where.
type Options struct {
	// Folder is the chart's folder, Helm the program, and Log the file for its output.
	Folder, Helm, Kubeconfig, Log string
	// Record is a file that stores what was installed. If nothing differs from
	// it, Helm is not run.
	Record string
	// References are the images that the chart is installed with, by the names of
	// its values images.NAME. They replace those of a release that was installed
	// by hand.
	References map[string]string
	// Content changes when the content of the images in the chart's Deployments
	// does. Their references stay the same, so the Deployments have to be restarted.
	Content  string
	Client   Client
	Reporter *progress.Reporter
}

// Client is the part of kube.Client that an installation needs.
type Client interface {
	Get(ctx context.Context, path string, out any) error
	GetMetadata(ctx context.Context, path string, out any) error
	Patch(ctx context.Context, path string, document any) error
	Delete(ctx context.Context, path string) error
}

// record is the content of the file Options.Record.
type record struct {
	// Chart is the hash of the chart and the references of its images.
	Chart string
	// Images is Options.Content.
	Images string
	// Revision identifies the release's latest revision. It differs if the release has
	// been installed, upgraded or uninstalled by other means since.
	Revision string
}

// Install installs or upgrades the chart, if it changed here or in the cluster, and
// waits until the operator is available. It keeps values that were set on the release
// by other means, except for the images.
func Install(ctx context.Context, o Options) (installed bool, err error) {
	current := record{Images: o.Content}
	if current.Chart, err = o.hash(); err != nil {
		return false, err
	}
	var old record
	if data, err := os.ReadFile(o.Record); err == nil {
		if err := json.Unmarshal(data, &old); err != nil {
			return false, fmt.Errorf("read %s: %w", o.Record, err)
		}
	}
	found, err := o.releases(ctx)
	if err != nil {
		return false, err
	}
	takeOver := found.former
	if installed = old.Chart != current.Chart || old.Revision != found.revision || takeOver; installed {
		if err := o.upgrade(ctx, found); err != nil {
			return false, err
		}
		if found, err = o.releases(ctx); err != nil {
			return true, err
		}
	}
	// The Deployments of a release that was taken over have just started.
	if old.Images != "" && old.Images != current.Images && !takeOver {
		if err := o.restart(ctx); err != nil {
			return installed, err
		}
	}
	// If the command is interrupted after this, the next one only has to wait.
	current.Revision = found.revision
	data, err := json.Marshal(current)
	if err != nil {
		return installed, err
	}
	if err := os.WriteFile(o.Record, data, 0o600); err != nil {
		return installed, fmt.Errorf("record what is installed: %w", err)
	}
	return installed, o.await(ctx)
}

type deployments struct {
	Items []struct {
		Metadata struct {
			Name       string
			Generation int64
		}
		Spec   struct{ Replicas int }
		Status struct {
			ObservedGeneration                           int64
			Replicas, UpdatedReplicas, AvailableReplicas int
		}
	}
}

// deployments lists the Deployments of a release.
func (o Options) deployments(ctx context.Context, release string) (deployments, error) {
	var list deployments
	err := o.Client.Get(ctx, path("")+"?labelSelector=app.kubernetes.io/instance%3D"+release, &list)
	return list, err
}

func path(name string) string {
	return strings.TrimSuffix("/apis/apps/v1/namespaces/"+Namespace+"/deployments/"+name, "/")
}

// restart does what kubectl rollout restart does.
func (o Options) restart(ctx context.Context) error {
	list, err := o.deployments(ctx, release)
	if err != nil {
		return err
	}
	for _, d := range list.Items {
		o.Reporter.Say("Restarting %s: its image has new content", d.Metadata.Name)
		now := time.Now().UTC().Format(time.RFC3339Nano)
		patch := object{"spec": object{"template": object{"metadata": object{"annotations": object{"kubectl.kubernetes.io/restartedAt": now}}}}}
		if err := o.Client.Patch(ctx, path(d.Metadata.Name), patch); err != nil {
			return fmt.Errorf("restart %s: %w", d.Metadata.Name, err)
		}
	}
	return nil
}

type object map[string]any

// await waits until every Deployment of the chart is rolled out and available.
func (o Options) await(ctx context.Context) error {
	step := o.Reporter.Start("wait for the operator")
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting, err := o.waiting(ctx)
		if err == nil && waiting == "" {
			step.End(nil)
			return nil
		}
		if err != nil {
			waiting = err.Error()
		}
		step.Update("%s", waiting)
		select {
		case <-ctx.Done():
			step.End(ctx.Err())
			return ctx.Err()
		case <-deadline.C:
			err := fmt.Errorf("%s; see: KUBECONFIG=%s kubectl -n %s describe pods", waiting, o.Kubeconfig, Namespace)
			step.End(err)
			return err
		case <-tick.C:
		}
	}
}

// waiting describes the first Deployment that is not available yet, or is empty.
func (o Options) waiting(ctx context.Context) (string, error) {
	list, err := o.deployments(ctx, release)
	if err != nil {
		return "", err
	}
	if len(list.Items) == 0 {
		return "the chart has no Deployment with the label app.kubernetes.io/instance=" + release, nil
	}
	for _, d := range list.Items {
		s := d.Status
		if s.ObservedGeneration < d.Metadata.Generation || s.UpdatedReplicas < d.Spec.Replicas || s.AvailableReplicas < d.Spec.Replicas || s.Replicas > d.Spec.Replicas {
			reason, err := o.reason(ctx)
			return strings.TrimSpace(fmt.Sprintf("%d of %d pods of %s are available %s", s.AvailableReplicas, d.Spec.Replicas, d.Metadata.Name, reason)), err
		}
	}
	return "", nil
}

// reason is why the first waiting container waits, or empty.
func (o Options) reason(ctx context.Context) (string, error) {
	var pods struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				ContainerStatuses []struct {
					State struct {
						Waiting *struct{ Reason, Message string }
					}
				}
			}
		}
	}
	if err := o.Client.Get(ctx, "/api/v1/namespaces/"+Namespace+"/pods?labelSelector=app.kubernetes.io/instance%3D"+release, &pods); err != nil {
		return "", err
	}
	for _, p := range pods.Items {
		for _, c := range p.Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" {
				return fmt.Sprintf("(%s: %s %s)", p.Metadata.Name, w.Reason, w.Message), nil
			}
		}
	}
	return "", nil
}

// hash identifies the chart by the names and contents of its files, and the
// images that it is installed with.
func (o Options) hash() (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(o.Folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %d\n%s", strings.TrimPrefix(path, o.Folder), len(data), data)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the chart: %w", err)
	}
	fmt.Fprintf(h, "%q", o.images())
	return hex.EncodeToString(h.Sum(nil)), nil
}
