package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"devserver.io/devserver/test/cluster"
)

// The benchmark runs the operator with the chart's flags, except for the ports.
func TestOperatorRunsWithTheChartsFlags(t *testing.T) {
	text, err := os.ReadFile(cluster.Root() + "/charts/testdata/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseChart(text)
	if err != nil {
		t.Fatal(err)
	}
	args := c.args("127.0.0.1:1", "127.0.0.1:2")
	for _, want := range []string{"--leader-elect", "--log-level=info", "--metrics-bind-address=127.0.0.1:1", "--health-probe-bind-address=127.0.0.1:2"} {
		if !slices.Contains(args, want) {
			t.Errorf("%s is missing in %q", want, args)
		}
	}
	if strings.Contains(strings.Join(args, " "), ":8080") {
		t.Errorf("the chart's port is in %q", args)
	}
	if env, err := c.env(); err != nil || !slices.Contains(env, "POD_NAMESPACE="+operatorNamespace) {
		t.Errorf("POD_NAMESPACE is missing in %q, %v", env, err)
	}
	if len(c.others) == 0 {
		t.Error("the operator has no rights")
	}
}
