package reach

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/exit"
)

// patience is how long a box's port may take to answer before the API server is
// taken instead: several round trips around the world, and little to somebody
// who waits behind a firewall that swallows every attempt.
const patience = time.Second

// Address is where a box can be connected to directly, if the cluster gives it
// such a place at all.
func Address(ds *devserverv1.DevServer) (address string, ok bool) {
	if ds.Status.SSH == nil || ds.Status.SSH.Host == "" || ds.Status.SSH.Port == 0 {
		return "", false
	}
	return net.JoinHostPort(ds.Status.SSH.Host, strconv.Itoa(int(ds.Status.SSH.Port))), true
}

// Dial connects to the box's own address, by the way that was asked for. The
// connection is nil where the way is through the API server: the status may say
// an address that cannot be reached from here, such as a ClusterIP's name or a
// node behind a firewall.
func Dial(ctx context.Context, ds *devserverv1.DevServer, via string) (*net.TCPConn, error) {
	address, ok := Address(ds)
	switch {
	case via == API, via == Auto && !ok:
		return nil, nil
	case !ok:
		return nil, exit.With(exit.Refused, fmt.Errorf("DevServer %s has no address of its own (spec.ssh.service.type is %s): leave --via=%s out", ds.Name, ds.Spec.SSH.Service.Type, via))
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
		return nil, fmt.Errorf("connecting to DevServer %s: %w: through the API server: --via=%s", ds.Name, err, API)
	}
	return conn.(*net.TCPConn), nil
}
