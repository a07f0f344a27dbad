package jump

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "devserver.io/devserver/api/v1"
)

// Known is the number of servers that the gateway knows.
const Known = 1000

// serveWatches serves the part of the Kubernetes API that a gateway needs if no suspended server
// is used: a watch of the servers, and a watch of users, of which there are none. It returns
// the path of a kubeconfig.
func serveWatches(ctx context.Context, dir, key string) (string, error) {
	servers, err := devServers(key)
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	serve := func(kind, plural string, objects []*v1.DevServer) {
		mux.HandleFunc("GET /apis/devserver.io/v1/"+plural, func(w http.ResponseWriter, r *http.Request) {
			stream(w, r, kind, objects)
		})
	}
	serve("DevServer", "devservers", servers)
	serve("DevServerUser", "devserverusers", nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	file := filepath.Join(dir, "kubeconfig")
	return file, os.WriteFile(file, fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Config", "current-context": "bench",
"clusters": [{"name": "bench", "cluster": {"server": "http://%s"}}],
"contexts": [{"name": "bench", "context": {"cluster": "bench"}}]}`, listener.Addr()), 0o600)
}

// stream sends all objects and the end of the initial objects, and leaves the watch open.
func stream(w http.ResponseWriter, r *http.Request, kind string, objects []*v1.DevServer) {
	if r.URL.Query().Get("sendInitialEvents") != "true" {
		http.Error(w, "only watches that begin with all objects", http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	events := json.NewEncoder(w)
	send := func(event string, object any) error {
		return events.Encode(map[string]any{"type": event, "object": object})
	}
	for _, o := range objects {
		if send("ADDED", o) != nil {
			return
		}
	}
	end := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1.GroupVersion.String(), Kind: kind},
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}},
	}
	if send("BOOKMARK", end) != nil {
		return
	}
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// devServers returns the two servers for key, and many servers with other keys.
func devServers(key string) ([]*v1.DevServer, error) {
	servers := []*v1.DevServer{devServer(Raw.Name, Raw.IP, key), devServer(SSH.Name, SSH.IP, key)}
	for i := len(servers); i < Known; i++ {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		other, err := ssh.NewPublicKey(public)
		if err != nil {
			return nil, err
		}
		servers = append(servers, devServer(fmt.Sprintf("server-%d", i), Raw.IP, string(ssh.MarshalAuthorizedKey(other))))
	}
	return servers, nil
}

func devServer(name, ip, key string) *v1.DevServer {
	d := &v1.DevServer{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1.GroupVersion.String(), Kind: "DevServer"},
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name, ResourceVersion: "1"},
	}
	d.Spec.Owner, d.Spec.SSH.PublicKey = name, key
	d.Status.Phase, d.Status.PodIP = v1.PhaseRunning, ip
	return d
}
