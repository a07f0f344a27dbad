package chart

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"devserver.io/devserver/local/internal/process"
)

// releases is what Helm has installed in the cluster.
type releases struct {
	// revision is the UID of the latest revision of the release, or empty if the
	// release does not exist.
	revision string
	// former is true if the former release exists.
	former bool
}

// releases reads the Secrets in which Helm stores the revisions of releases, one
// each. Only their metadata: a revision contains the whole chart.
func (o Options) releases(ctx context.Context) (releases, error) {
	var list struct {
		Items []struct {
			Metadata struct {
				UID    string
				Labels struct{ Name, Version string }
			}
		}
	}
	selector := fmt.Sprintf("owner=helm,name in (%s,%s)", release, formerRelease)
	path := "/api/v1/namespaces/" + Namespace + "/secrets?labelSelector=" + url.QueryEscape(selector)
	if err := o.Client.GetMetadata(ctx, path, &list); err != nil {
		return releases{}, fmt.Errorf("list Helm's releases: %w", err)
	}
	var found releases
	latest := 0
	for _, secret := range list.Items {
		labels := secret.Metadata.Labels
		if labels.Name == formerRelease {
			found.former = true
			continue
		}
		version, err := strconv.Atoi(labels.Version)
		if err != nil {
			return releases{}, fmt.Errorf("read the revision of release %s: %w", release, err)
		}
		if version > latest {
			latest, found.revision = version, secret.Metadata.UID
		}
	}
	return found, nil
}

// upgrade installs or upgrades the release, and takes over what belongs to the
// former one.
//
// Every object that both releases have stays, with its UID and address: the CRDs
// with all DevServers, the Services, roles and policies. Only the Deployments are
// replaced, because their selectors contain the release's name and cannot be
// changed. What only the former release has is removed at the end: Helm deletes no
// object that belongs to another release by then. If the command is interrupted
// before that, the next one starts over.
func (o Options) upgrade(ctx context.Context, found releases) (err error) {
	step := o.Reporter.Start("install the chart")
	defer func() { step.End(err) }()
	if err := os.WriteFile(o.Log, nil, 0o640); err != nil {
		return err
	}
	args := []string{"upgrade", "--install", release, o.Folder, "--create-namespace", "--reset-then-reuse-values"}
	args = append(args, o.images()...)
	former, err := o.ownedByFormer(ctx, found)
	if err != nil {
		return err
	}
	if former {
		args = append(args, "--take-ownership")
	}
	var values []byte
	if found.former {
		o.Reporter.Say("Taking over the Helm release %s as %s", formerRelease, release)
		if found.revision == "" {
			if values, err = o.helm(ctx, nil, "get", "values", formerRelease, "--output=json"); err != nil {
				return err
			}
			args = append(args, "--values=-")
		}
		if err := o.deleteFormerDeployments(ctx); err != nil {
			return err
		}
	}
	if _, err := o.helm(ctx, values, args...); err != nil {
		return err
	}
	if found.former {
		_, err = o.helm(ctx, nil, "uninstall", formerRelease)
	}
	return err
}

// ownedByFormer reports whether the former release exists, or has left its CRDs
// behind: they stay when it is uninstalled. Objects of any other release are not
// taken over; Helm refuses to install then.
func (o Options) ownedByFormer(ctx context.Context, found releases) (bool, error) {
	if found.former {
		return true, nil
	}
	var list struct {
		Items []struct {
			Metadata struct{ Annotations map[string]string }
		}
	}
	// As a list, so that a CRD that does not exist is no error.
	path := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?fieldSelector=metadata.name%3Ddevservers.devserver.io"
	if err := o.Client.GetMetadata(ctx, path, &list); err != nil {
		return false, fmt.Errorf("read the CRD's owner: %w", err)
	}
	return len(list.Items) == 1 && list.Items[0].Metadata.Annotations["meta.helm.sh/release-name"] == formerRelease, nil
}

func (o Options) deleteFormerDeployments(ctx context.Context) error {
	list, err := o.deployments(ctx, formerRelease)
	if err != nil {
		return err
	}
	for _, d := range list.Items {
		if err := o.Client.Delete(ctx, path(d.Metadata.Name)); err != nil {
			return fmt.Errorf("delete the Deployment %s of release %s: %w", d.Metadata.Name, formerRelease, err)
		}
	}
	return nil
}

// images are the arguments that set the chart's images.
func (o Options) images() []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(o.References)) {
		args = append(args, "--set-string=images."+name+"="+o.References[name])
	}
	return args
}

// helm runs Helm, appends its output to the log and returns its standard output.
func (o Options) helm(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	log, err := os.OpenFile(o.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, o.Helm, append(args, "--namespace="+Namespace)...)
	cmd.Env = []string{"KUBECONFIG=" + o.Kubeconfig, "HOME=" + filepath.Dir(o.Record), "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = bytes.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, log
	err = cmd.Run()
	if _, writeErr := log.Write(out.Bytes()); writeErr != nil && err == nil {
		err = writeErr
	}
	if err != nil {
		return nil, fmt.Errorf("run helm %s: %w; its log is %s and ends with:\n%s", strings.Join(args[:2], " "), err, o.Log, process.Tail(o.Log, 15))
	}
	return out.Bytes(), nil
}
