package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/test/cluster"
)

// The namespace in which the chart is installed, and the operator's names.
const (
	operatorNamespace  = "devserver-system"
	operatorDeployment = "devserver-operator"
	operatorUser       = "system:serviceaccount:" + operatorNamespace + ":devserver-operator"
)

// operatorGroups are the groups of the operator's ServiceAccount. The operator must not
// be an administrator, because the API server does not queue their requests.
var operatorGroups = []string{"system:serviceaccounts", "system:serviceaccounts:" + operatorNamespace}

// chart is the chart, rendered with its default values and the names of the images that are
// loaded onto nodes.
type chart struct {
	operator corev1.Container
	others   []*unstructured.Unstructured
}

// renderChart renders the chart, without the CRDs, with helm from the folder
// assets.
func renderChart(ctx context.Context, assets string) (*chart, error) {
	helm := exec.CommandContext(ctx, filepath.Join(assets, "helm"), "template", "devserver",
		filepath.Join(cluster.Root(), "charts", "devserver-operator"), "--namespace", operatorNamespace,
		"--set", "crds.install=false", "--set", "images.registry=devserver.io")
	var stderr bytes.Buffer
	helm.Stderr = &stderr
	text, err := helm.Output()
	if err != nil {
		return nil, fmt.Errorf("rendering the chart: %w: %s", err, stderr.String())
	}
	return parseChart(text)
}

func parseChart(text []byte) (*chart, error) {
	c := &chart{}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading the rendered chart: %w", err)
		}
		switch {
		case len(object.Object) == 0: // A template that renders to nothing with these values.
		case object.GetKind() == "Deployment" && object.GetName() != operatorDeployment: // Of the chart's programs, only the operator runs.
		case object.GetKind() == "Deployment":
			d := &appsv1.Deployment{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, d); err != nil {
				return nil, fmt.Errorf("reading the chart's Deployment: %w", err)
			}
			c.operator = d.Spec.Template.Spec.Containers[0]
		default:
			c.others = append(c.others, object)
		}
	}
	if c.operator.Name == "" {
		return nil, errors.New("the chart has no Deployment")
	}
	return c, nil
}

// install creates the chart's objects except the operator's Deployment, mainly its RBAC
// rules.
func (c *chart) install(ctx context.Context, to client.Client) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}
	if err := to.Create(ctx, ns); err != nil {
		return fmt.Errorf("creating the namespace %s: %w", ns.Name, err)
	}
	for _, o := range c.others {
		if err := to.Create(ctx, o); err != nil {
			return fmt.Errorf("creating the chart's %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// args returns the operator's flags from the chart, with other addresses for metrics and
// health probes.
func (c *chart) args(metrics, health string) []string {
	args := slices.DeleteFunc(slices.Clone(c.operator.Args), func(arg string) bool {
		return strings.HasPrefix(arg, "--metrics-bind-address=") || strings.HasPrefix(arg, "--health-probe-bind-address=")
	})
	return append(args, "--metrics-bind-address="+metrics, "--health-probe-bind-address="+health)
}

// env returns the operator's environment variables from the chart.
func (c *chart) env() ([]string, error) {
	var env []string
	for _, e := range c.operator.Env {
		value := e.Value
		if from := e.ValueFrom; from != nil {
			switch {
			case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.namespace":
				value = operatorNamespace
			case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.name":
				value = "" // The operator does not run in a pod here.
			case from.ResourceFieldRef != nil && from.ResourceFieldRef.Resource == "limits.memory":
				value = fmt.Sprint(c.operator.Resources.Limits.Memory().Value())
			default:
				return nil, fmt.Errorf("the chart sets %s from a source that the benchmark does not support", e.Name)
			}
		}
		env = append(env, e.Name+"="+value)
	}
	return env, nil
}

// flag returns the value of one of the operator's flags in the chart.
func (c *chart) flag(name string) string {
	for _, arg := range c.operator.Args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}
