package list

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

// TestWideAsksRunningServers shows that wide output has what the servers use, that
// only running servers are asked, and that one which does not answer, or a list that
// is watched, costs nothing but these figures.
func TestWideAsksRunningServers(t *testing.T) {
	objects := servers()
	objects[0].Status.Home = &devserverv1.HomeStatus{Capacity: "20Gi"}
	other := *objects[0].DeepCopy()
	other.Name = "silent"
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(&objects[0], &objects[1], &other).Build()
	const gi = 1 << 30
	ask := func(_ context.Context, ds *devserverv1.DevServer) (*agentapi.Report, error) {
		switch ds.Name {
		case "runs":
			return &agentapi.Report{
				Resources: agentapi.Resources{CPUUsedMillis: new(int64(1255)), MemoryUsedBytes: 300 << 20, GPUs: 2, GPUPercent: new(int64(37))},
				Home:      &agentapi.Room{SizeBytes: 20 * gi, FreeBytes: 8 * gi},
			}, nil
		case "silent":
			return nil, errors.New("no answer")
		}
		t.Errorf("%s was asked, which does not run", ds.Name)
		return &agentapi.Report{}, nil
	}
	wide := Options{Flags: output.Flags{Format: output.Wide, Namespaces: true}}
	table := wide
	table.Format = output.Table
	for name, tc := range map[string]struct {
		options Options
		used    bool
	}{
		"Wide":  {wide, true},
		"Table": {table, false},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Run(t.Context(), c, ask, tc.options, genericiooptions.IOStreams{Out: &out, ErrOut: &out}); err != nil {
				t.Fatal(err)
			}
			for _, used := range []string{" 1.25/", " 300Mi/", " 37%/", " 12Gi/"} {
				want := 0
				if tc.used {
					want = 1
				}
				if got := strings.Count(out.String(), used); got != want {
					t.Errorf("%q is %d times in the output, want %d times:\n%s", used, got, want, &out)
				}
			}
		})
	}
}

// TestHomeOnASharedFileSystem: a folder of the node's disk is as full as the disk, which
// says nothing about the home.
func TestHomeOnASharedFileSystem(t *testing.T) {
	const gi = 1 << 30
	for name, tc := range map[string]struct {
		granted string
		size    int64
		want    string
	}{
		"own":                     {"20Gi", 20 * gi, "12Gi/20Gi"},
		"own, less its own needs": {"20Gi", 19 * gi, "11Gi/20Gi"},
		"of the node":             {"20Gi", 252 * gi, "20Gi"},
		"unknown":                 {"20Gi", 0, "20Gi"},
		"nothing granted":         {"", 20 * gi, "<none>"},
	} {
		r := resources{home: figure{granted: tc.granted}}
		r.use(&agentapi.Report{Home: &agentapi.Room{SizeBytes: tc.size, FreeBytes: 8 * gi}})
		if got := r.home.cell(); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0Mi", 1 << 19: "0.5Mi", 1<<30 - 1: "1024Mi", 1 << 30: "1Gi", 3174 << 20: "3.1Gi", 1 << 40: "1024Gi"} {
		if got := size(bytes); got != want {
			t.Errorf("%d bytes: got %q, want %q", bytes, got, want)
		}
	}
}
