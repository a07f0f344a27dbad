package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"devserver.io/devserver/local/internal/chart"
	"devserver.io/devserver/local/internal/kube"
	"devserver.io/devserver/local/internal/node"
)

func installCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "install",
		Short: "Build and load this checkout's images and install its chart",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			binaries, err := env.connected(ctx)
			if err != nil {
				return err
			}
			loads, err := env.build(ctx, nil, false)
			if err != nil {
				return err
			}
			release, err := env.cluster.Lock(ctx)
			if err != nil {
				return err
			}
			defer release()
			if err := env.load(ctx, binaries, loads); err != nil {
				return err
			}
			client, _, err := node.Connect(ctx, env.cluster)
			if err != nil {
				return err
			}
			return env.install(ctx, client, binaries, loads)
		},
	}
}

// install installs the checkout's chart with these images.
func (e *environment) install(ctx context.Context, client *kube.Client, binaries string, images []load) error {
	folder := filepath.Join(e.root, "charts", "devserver-operator")
	if _, err := os.Stat(filepath.Join(folder, "Chart.yaml")); errors.Is(err, fs.ErrNotExist) {
		e.reporter.Say("Not installing a chart: %s does not exist", folder)
		return nil
	}
	installed, err := chart.Install(ctx, chart.Options{
		Folder: folder, Helm: filepath.Join(binaries, "helm"), Kubeconfig: e.cluster.Kubeconfig(), Record: e.cluster.State("installed-chart"),
		Log: e.cluster.Log("helm"), References: references(images), Content: deployedContent(images), Client: client, Reporter: e.reporter,
	})
	if err != nil {
		return fmt.Errorf("install the chart: %w", err)
	}
	if installed {
		e.reporter.Say("Installed the chart into namespace %s", chart.Namespace)
	}
	return nil
}

// references are the images by the names of the chart's values images.NAME.
func references(images []load) map[string]string {
	references := map[string]string{}
	for _, i := range images {
		references[i.name] = i.ref
	}
	return references
}

// deployedContent changes when the content of an image in the chart's Deployments does.
func deployedContent(images []load) string {
	var keys []string
	for _, i := range images {
		if i.deployed() {
			keys = append(keys, i.built.Key)
		}
	}
	return strings.Join(keys, " ")
}
