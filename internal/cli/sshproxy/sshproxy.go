package sshproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/cli/tunnel"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/objects"
)

// duplex is a connection whose directions are closed separately.
type duplex interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// Run wakes the server if necessary, and connects In and Out to its SSH port until
// the server closes the connection.
func Run(ctx context.Context, to *cluster.Cluster, t reach.Target, o reach.Options, streams genericiooptions.IOStreams) error {
	ds, err := reach.Running(ctx, to.Client, t, o, streams)
	if err != nil {
		return err
	}
	conn, err := connect(ctx, to, ds, o.Via)
	if err != nil {
		return err
	}
	// ssh gets Ctrl-C too, and decides whether to end: a shared connection in the
	// background must survive a Ctrl-C in the terminal that it was started from.
	signal.Ignore(os.Interrupt)
	if err := pipe(ctx, conn, streams.In, output.Raw(streams.Out)); err != nil {
		return fmt.Errorf("connected to DevServer %s: %w", ds.Name, err)
	}
	return nil
}

// connect connects directly or through the API server.
func connect(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer, via string) (duplex, error) {
	direct, err := reach.Dial(ctx, ds, via)
	if err != nil {
		return nil, err
	}
	if direct != nil {
		return direct, nil
	}
	through, err := tunnel.Dial(ctx, to.Config, ds.Namespace, objects.PodName(ds.Name), agentapi.SSHPort)
	doing := fmt.Sprintf("connecting to DevServer %s through the API server", ds.Name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, exit.With(exit.Refused, fmt.Errorf("%s: its pod does not exist: to see why: devctl why %s -n %s", doing, ds.Name, ds.Namespace))
	case err != nil:
		return nil, cluster.Explain(err, doing)
	}
	return through, nil
}

// pipe copies in both directions until the end of conn. The end of in is passed on,
// and conn is read further: an answer may still come.
func pipe(ctx context.Context, conn duplex, in io.Reader, out io.Writer) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, in)
		if err == nil {
			err = conn.CloseWrite()
		}
		sent <- err
	}()
	_, err := io.Copy(out, conn)
	switch {
	case ctx.Err() != nil:
		return exit.With(exit.Interrupted, errors.New("interrupted"))
	case err != nil:
		return err
	}
	select {
	case err := <-sent:
		return err
	default: // in may stay open
		return nil
	}
}
