// Package chart installs the operator's Helm chart into a local cluster, as a
// user would into any other: with its default values.
package chart

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"devserver.io/devserver/local/internal/kube"
	"devserver.io/devserver/local/internal/process"
	"devserver.io/devserver/local/internal/progress"
)

const (
	// Namespace is where the operator lives.
	Namespace = "devserver-system"
	// release is the name that the chart is installed under.
	release = "devserver-operator"
)

// Options say what to install, and where.
type Options struct {
	// Folder is the chart's; Helm the program; Log gets what it says.
	Folder, Helm, Kubeconfig, Log string
	// Record is a file that remembers what was installed, so that installing the
	// same again costs nothing.
	Record string
	// Images changes when the content of the operator's images does. They keep
	// their names, so that only a restart brings the new content to life.
	Images   string
	Client   *kube.Client
	Reporter *progress.Reporter
}

// Install installs or upgrades the chart, if it changed, and waits until the
// operator is available.
func Install(ctx context.Context, o Options) (installed bool, err error) {
	content, err := hash(o.Folder)
	if err != nil {
		return false, err
	}
	var old struct{ Chart, Images string }
	if data, err := os.ReadFile(o.Record); err == nil {
		if err := json.Unmarshal(data, &old); err != nil {
			return false, fmt.Errorf("read %s: %w", o.Record, err)
		}
	}
	if installed = old.Chart != content; installed {
		if err := o.upgrade(ctx); err != nil {
			return false, err
		}
	}
	if old.Images != "" && old.Images != o.Images {
		if err := o.restart(ctx); err != nil {
			return installed, err
		}
	}
	// From here on a command that is cut off has nothing to make up for.
	data, err := json.Marshal(map[string]string{"Chart": content, "Images": o.Images})
	if err != nil {
		return installed, err
	}
	if err := os.WriteFile(o.Record, data, 0o600); err != nil {
		return installed, fmt.Errorf("remember what is installed: %w", err)
	}
	return installed, o.await(ctx)
}

func (o Options) upgrade(ctx context.Context) error {
	step := o.Reporter.Start("install the chart")
	cmd := exec.CommandContext(ctx, o.Helm, "upgrade", "--install", release, o.Folder, "--namespace", Namespace, "--create-namespace")
	cmd.Env = []string{"KUBECONFIG=" + o.Kubeconfig, "HOME=" + filepath.Dir(o.Record), "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	step.End(err)
	if err := os.WriteFile(o.Log, out, 0o640); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("run helm: %w; its log is %s and ends with:\n%s", err, o.Log, process.Tail(o.Log, 15))
	}
	return nil
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

func (o Options) deployments(ctx context.Context) (deployments, error) {
	var list deployments
	err := o.Client.Get(ctx, path("")+"?labelSelector=app.kubernetes.io/instance%3D"+release, &list)
	return list, err
}

func path(name string) string {
	return strings.TrimSuffix("/apis/apps/v1/namespaces/"+Namespace+"/deployments/"+name, "/")
}

// restart does as kubectl rollout restart does.
func (o Options) restart(ctx context.Context) error {
	list, err := o.deployments(ctx)
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

// await waits until every Deployment of the chart runs what it should.
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
			err := fmt.Errorf("%s; look with: KUBECONFIG=%s kubectl -n %s describe pods", waiting, o.Kubeconfig, Namespace)
			step.End(err)
			return err
		case <-tick.C:
		}
	}
}

// waiting says what is missing, or nothing.
func (o Options) waiting(ctx context.Context) (string, error) {
	list, err := o.deployments(ctx)
	if err != nil {
		return "", err
	}
	if len(list.Items) == 0 {
		return "the chart has made no Deployment labelled app.kubernetes.io/instance=" + release, nil
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

// reason is what the first container that waits says about it.
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

// hash is over names and contents of the chart's files.
func hash(folder string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %d\n%s", strings.TrimPrefix(path, folder), len(data), data)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the chart: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
