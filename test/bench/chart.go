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

// Where the chart is installed, and as whom the operator runs there.
const (
	operatorNamespace  = "devserver-system"
	operatorDeployment = "devserver-operator"
	operatorUser       = "system:serviceaccount:" + operatorNamespace + ":devserver-operator"
)

// operatorGroups are those of the ServiceAccount. The operator must not be an
// administrator: the API server never lets those wait.
var operatorGroups = []string{"system:serviceaccounts", "system:serviceaccounts:" + operatorNamespace}

// chart is what helm makes of the chart with its default values.
type chart struct {
	operator corev1.Container
	others   []*unstructured.Unstructured
}

// renderChart renders the chart, without the CRDs, with helm from the folder
// assets.
func renderChart(ctx context.Context, assets string) (*chart, error) {
	helm := exec.CommandContext(ctx, filepath.Join(assets, "helm"), "template", "devserver",
		filepath.Join(cluster.Root(), "charts", "devserver-operator"), "--namespace", operatorNamespace, "--set", "crds.install=false")
	var said bytes.Buffer
	helm.Stderr = &said
	text, err := helm.Output()
	if err != nil {
		return nil, fmt.Errorf("rendering the chart: %w: %s", err, said.String())
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
		case len(object.Object) == 0: // A file with nothing in it for these values.
		case object.GetKind() == "Deployment" && object.GetName() != operatorDeployment: // Nothing runs here but the operator.
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

// install makes all that the chart has beside the operator itself: its rights.
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

// args are the operator's flags by the chart, except that it listens on ports
// of its own choosing.
func (c *chart) args(metrics, health string) []string {
	args := slices.DeleteFunc(slices.Clone(c.operator.Args), func(arg string) bool {
		return strings.HasPrefix(arg, "--metrics-bind-address=") || strings.HasPrefix(arg, "--health-probe-bind-address=")
	})
	return append(args, "--metrics-bind-address="+metrics, "--health-probe-bind-address="+health)
}

// env is the operator's environment by the chart.
func (c *chart) env() ([]string, error) {
	var env []string
	for _, e := range c.operator.Env {
		value := e.Value
		if from := e.ValueFrom; from != nil {
			switch {
			case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.namespace":
				value = operatorNamespace
			case from.ResourceFieldRef != nil && from.ResourceFieldRef.Resource == "limits.memory":
				value = fmt.Sprint(c.operator.Resources.Limits.Memory().Value())
			default:
				return nil, fmt.Errorf("the chart takes %s from where the benchmark cannot", e.Name)
			}
		}
		env = append(env, e.Name+"="+value)
	}
	return env, nil
}

// flag is the value of one of the operator's flags by the chart.
func (c *chart) flag(name string) string {
	for _, arg := range c.operator.Args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}
