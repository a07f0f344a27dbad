package doctor

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"devserver.io/devserver/internal/cli/cluster"
)

// proxy stands in for an API server that forwards requests to kubelets. The real API
// server in tests does not, because it refuses loopback addresses of nodes.
func proxy(t *testing.T, configz http.HandlerFunc) *kubelets {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/nodes/{node}/proxy/configz", configz)
	mux.HandleFunc("GET /api/v1/nodes/{node}/proxy/metrics", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("node") {
		case "v1":
			_, _ = io.WriteString(w, "# TYPE kubelet_cgroup_version gauge\nkubelet_cgroup_version 1\nother 2\n")
		case "v2":
			_, _ = io.WriteString(w, "other 1\nkubelet_cgroup_version 2\n")
		case "older":
			_, _ = io.WriteString(w, "other 2\n")
		default:
			http.Error(w, "no", http.StatusInternalServerError)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	api, err := cluster.CoreAPI(&rest.Config{Host: server.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return &kubelets{api, time.Minute}
}

// Each node gets the facts that its own kubelet reports.
func TestAskKubelets(t *testing.T) {
	yes, no := true, false
	k := proxy(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("node") {
		case "v1", "v2", "older":
			_, _ = io.WriteString(w, `{"kubeletconfig": {"kind": "KubeletConfiguration", "failCgroupV1": false}}`)
		case "default":
			_, _ = io.WriteString(w, `{"kubeletconfig": {"failCgroupV1": true}}`)
		case "one":
			_, _ = io.WriteString(w, `{"kubeletconfig": {"failCgroupV1": true, "singleProcessOOMKill": true}}`)
		case "all":
			_, _ = io.WriteString(w, `{"kubeletconfig": {"failCgroupV1": false, "singleProcessOOMKill": false}}`)
		case "metricless":
			_, _ = io.WriteString(w, `{"kubeletconfig": {}}`)
		case "refused":
			http.Error(w, "Forbidden", http.StatusForbidden)
		case "other":
			_, _ = io.WriteString(w, `{}`)
		case "words":
			_, _ = io.WriteString(w, `<html>`)
		default:
			http.Error(w, "error trying to reach service: dial tcp", http.StatusServiceUnavailable)
		}
	})
	want := []node{
		{name: "v1", cgroup: 1},
		{name: "v2", cgroup: 2},
		{name: "older"},
		{name: "default", cgroup: 2},
		{name: "one", cgroup: 2, singleProcessOOMKill: &yes},
		{name: "all", singleProcessOOMKill: &no},
		{name: "metricless", unread: unreadable},
		{name: "refused", unread: forbidden},
		{name: "other", unread: unreadable},
		{name: "words", unread: unreadable},
		{name: "unreachable", unread: unreadable},
	}
	var got []node
	for _, n := range want {
		got = append(got, node{name: n.name})
	}
	k.ask(t.Context(), got)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(node{})); diff != "" {
		t.Error(diff)
	}
}

// ask stops waiting for a kubelet that does not answer.
func TestSilentKubelet(t *testing.T) {
	k := proxy(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	k.patience = time.Millisecond
	nodes := []node{{name: "silent"}}
	if k.ask(t.Context(), nodes); nodes[0].unread != unanswered {
		t.Errorf("got %+v", nodes[0])
	}
}

// askedAtOnce kubelets are asked at the same time: each answers only after all have been
// asked.
func TestKubeletsAreAskedAtOnce(t *testing.T) {
	var asked sync.WaitGroup
	asked.Add(askedAtOnce)
	k := proxy(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Done()
		asked.Wait()
		_, _ = io.WriteString(w, `{"kubeletconfig": {"failCgroupV1": true}}`)
	})
	var nodes []node
	for i := range askedAtOnce {
		nodes = append(nodes, node{name: fmt.Sprintf("n%d", i)})
	}
	k.ask(t.Context(), nodes)
	for _, n := range nodes {
		if n.unread != noCause || n.cgroup != 2 {
			t.Errorf("got %+v", n)
		}
	}
}

func TestLinuxNodes(t *testing.T) {
	info := func(name, system string) corev1.Node {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
		n.Status.NodeInfo = corev1.NodeSystemInfo{OperatingSystem: system, KubeletVersion: "v1", ContainerRuntimeVersion: "r://1"}
		return n
	}
	got := linuxNodes([]corev1.Node{info("a", "linux"), info("b", "windows"), info("c", "")})
	want := []node{{name: "a", kubelet: "v1", runtime: "r://1"}, {name: "c", kubelet: "v1", runtime: "r://1"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(node{})); diff != "" {
		t.Error(diff)
	}
}
