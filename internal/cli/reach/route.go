package reach

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/exit"
)

// patience is how long a server's port may take to answer before the API server is
// used instead: several round trips around the world, and a short wait behind a
// firewall that drops packets.
const patience = time.Second

// Address is the server's own address; ok is false if it has none.
func Address(ds *devserverv1.DevServer) (address string, ok bool) {
	if ds.Status.SSH == nil || ds.Status.SSH.Host == "" || ds.Status.SSH.Port == 0 {
		return "", false
	}
	return net.JoinHostPort(ds.Status.SSH.Host, strconv.Itoa(int(ds.Status.SSH.Port))), true
}

// Dial connects to the server's own address, if via allows that. The connection is
// nil if the caller must go through the API server instead: the address in the
// status may be unreachable from here, such as a ClusterIP's name or a node behind
// a firewall.
func Dial(ctx context.Context, ds *devserverv1.DevServer, via string) (*net.TCPConn, error) {
	address, ok := Address(ds)
	switch {
	case via == API, via == Auto && !ok:
		return nil, nil
	case !ok:
		return nil, exit.With(exit.Refused, fmt.Errorf("DevServer %s has no address of its own (spec.ssh.service.type is %s): connect without --via=%s", ds.Name, ds.Spec.SSH.Service.Type, via))
	}
	dialer := net.Dialer{}
	if via == Auto {
		dialer.Timeout = patience
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	switch {
	case ctx.Err() != nil:
		return nil, exit.With(exit.Interrupted, fmt.Errorf("connecting to DevServer %s: %w", ds.Name, ctx.Err()))
	case err != nil && via == Auto:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("connecting to DevServer %s: %w: to connect through the API server: --via=%s", ds.Name, err, API)
	}
	return conn.(*net.TCPConn), nil
}
