package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"devserver.io/devserver/test/openssh"
)

// simultaneousLogins: many clients can log in at the same time from one address,
// because behind kube-proxy all clients can have the same address.
func simultaneousLogins(b *server) {
	const clients = 24
	var wg sync.WaitGroup
	results := make([]string, clients)
	for i := range clients {
		cmd := b.client.Command(b.bounded(), nil, fmt.Sprintf("echo %d", i))
		wg.Go(func() {
			r, err := openssh.Do(cmd)
			results[i] = fmt.Sprint(r.Stdout, r.Stderr, err)
		})
	}
	wg.Wait()
	for i, got := range results {
		if want := fmt.Sprintf("%d\n<nil>", i); got != want {
			b.Errorf("client %d of %d: %q, want %q", i, clients, got, want)
		}
	}
}

// slowHandshakes: clients that connect and send nothing do not block others.
func slowHandshakes(b *server) {
	address := net.JoinHostPort(b.ds.Status.SSH.Host, fmt.Sprint(b.ds.Status.SSH.Port))
	for range 20 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		if banner := b.line(c); !strings.HasPrefix(banner, "SSH-2.0-") {
			b.Fatalf("banner %q", banner)
		}
	}
	b.want("whoami", "dev")
}

// sharedConnection does what VS Code Remote-SSH and JetBrains do. Over one
// connection, a script from standard input starts a program that outlives the
// script, the client forwards a port to that program, and opens many sessions.
func sharedConnection(b *server) {
	shared := b.master()
	install := b.client.Command(b.bounded(), append(shared, "-T"), "bash")
	install.Stdin = strings.NewReader(`mkdir -p ~/.server && cd ~/.server && echo served > index.html && mkfifo port
nohup python3 -c '
import http.server as h
server = h.HTTPServer(("127.0.0.1", 0), h.SimpleHTTPRequestHandler)
open("port", "w").write("port %d" % server.server_port)
server.serve_forever()
# the server' > log 2>&1 < /dev/null &
cat port
`)
	var port string
	if _, err := fmt.Sscanf(b.must(install), "port %s", &port); err != nil {
		b.Fatal(err)
	}
	socket := b.shortDir() + "/http"
	b.must(b.client.Command(b.bounded(), append(shared, "-O", "forward", "-L", socket+":127.0.0.1:"+port)))
	browser := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	page, err := browser.Get("http://server/")
	if err != nil {
		b.Fatal(err)
	}
	defer page.Body.Close()
	if body, _ := io.ReadAll(page.Body); string(body) != "served\n" {
		b.Errorf("the program on the server returned %q", body)
	}
	var wg sync.WaitGroup
	for range 10 {
		cmd := b.client.Command(b.bounded(), shared, "whoami")
		wg.Go(func() {
			if r, err := openssh.Do(cmd); r.Stdout != "dev\n" {
				b.Errorf("a session of the shared connection: %+v, %v", r, err)
			}
		})
	}
	wg.Wait()
	b.sh("pkill -f '[#] the server'")
}
