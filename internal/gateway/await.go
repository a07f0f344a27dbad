package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/serverstate"
)

// patience holds the limits on how long a client waits for a server. Until the
// gateway opens or refuses the channel, it cannot send the client a message.
type patience struct {
	// wake is the limit for the whole wait, while the server wakes or starts.
	wake time.Duration
	// stuck is the limit for a server that cannot start, for example because of a
	// quota. The server starts once the cause is removed, but the user should know it.
	stuck time.Duration
	// dial is the limit for a server that is Running and does not answer.
	dial time.Duration
	// between is how often the gateway rechecks a server if no change is reported.
	between time.Duration
}

// dialTimeout bounds one attempt to connect to a server.
const dialTimeout = 10 * time.Second

// patient returns the default limits for a given wake limit.
func patient(wake time.Duration) patience {
	return patience{wake: wake, stuck: min(wake, 20*time.Second), dial: 10 * time.Second, between: time.Second}
}

// refused is an error that says why the gateway refuses a client's request.
type refused struct {
	reason  ssh.RejectionReason
	message string
}

func (r *refused) Error() string { return r.message }

func prohibited(format string, args ...any) error {
	return &refused{reason: ssh.Prohibited, message: fmt.Sprintf(format, args...)}
}

// wait is one client's wait for one server.
type wait struct {
	*client
	name types.NamespacedName
	// say is called with the server's state whenever that changes; it may be nil.
	say func(string)

	start        time.Time
	stuckSince   time.Time // when an obstacle first prevented the start; zero without an obstacle
	silentSince  time.Time // when the server was first Running and did not answer
	wasSuspended bool
	lastState    string
}

// await connects to the named DevServer's SSH server, and wakes the DevServer first
// if it is suspended by its idle timeout or schedule. ctx is canceled when the
// client loses access to the DevServer.
func (c *client) await(ctx context.Context, name types.NamespacedName, say func(string)) (devServer, net.Conn, error) {
	w := &wait{client: c, name: name, say: say, start: time.Now()}
	waiting, cancel := context.WithTimeout(ctx, c.server.patience.wake)
	defer cancel()
	changed, stop := c.server.directory.follow(name)
	defer stop()
	tick := time.NewTicker(c.server.patience.between)
	defer tick.Stop()
	for {
		d, ok := c.server.directory.find(c.who, name)
		if !ok {
			return d, nil, prohibited("DevServer %s does not exist, or your key is not allowed to log in to it", address(name))
		}
		conn, err := w.advance(waiting, d)
		if conn != nil || err != nil {
			return d, conn, err
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-waiting.Done():
			if cause := context.Cause(ctx); cause != nil {
				return d, nil, prohibited("%s", cause.Error())
			}
			return d, nil, prohibited("%s", d.stateAfter(c.server.patience.wake))
		}
	}
}

// advance connects to the server, or wakes it. If the client has to wait longer,
// both results are nil.
func (w *wait) advance(ctx context.Context, d devServer) (net.Conn, error) {
	if d.isRunning() {
		return w.dial(ctx, d)
	}
	w.silentSince = time.Time{}
	w.report(d.state())
	if serverstate.WakesOnConnect(d.DevServer) && serverstate.IsSuspended(d.DevServer) && d.DeletionTimestamp.IsZero() {
		w.wasSuspended, w.stuckSince = true, time.Time{}
		return nil, w.wake(ctx, d)
	}
	if _, stuck := serverstate.Stuck(d.DevServer); stuck {
		return nil, prohibited("%s", d.state())
	}
	if serverstate.Obstacle(d.DevServer) == nil {
		w.stuckSince = time.Time{}
		return nil, nil
	}
	if patience := w.server.patience.stuck; since(&w.stuckSince) >= patience {
		return nil, prohibited("%s", d.stateAfter(patience))
	}
	return nil, nil
}

// dial connects to a server that is Running. If the server does not answer but may
// answer soon, both results are nil.
func (w *wait) dial(ctx context.Context, d devServer) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	silent := since(&w.silentSince)
	conn, err := w.server.dial(ctx, "tcp", d.sshAddress())
	switch {
	case err == nil:
		if w.wasSuspended {
			w.server.metrics.woken.Observe(time.Since(w.start).Seconds())
		}
		return conn, nil
	case silent < w.server.patience.dial && ctx.Err() == nil:
		return nil, nil // The pod may be about to end, or may have just started.
	}
	w.log.Warn("server does not answer", "server", d.address(), "error", err)
	return nil, &refused{reason: ssh.ConnectionFailed, message: fmt.Sprintf("DevServer %s does not answer: try again", d.address())}
}

func (w *wait) wake(ctx context.Context, d devServer) error {
	first, err := w.server.waker.wake(ctx, w.name)
	if first {
		w.server.metrics.wakes.WithLabelValues(result(err)).Inc()
	}
	switch {
	case err != nil && ctx.Err() == nil: // If ctx has ended, the caller knows why.
		w.log.Error("waking failed", "server", d.address(), "error", err)
		return prohibited("%s", explainLease("waking DevServer "+d.address(), err).Error())
	case err == nil && first:
		w.log.Info("woken", "server", d.address())
	}
	return nil
}

func (w *wait) report(state string) {
	if w.say != nil && state != w.lastState {
		w.lastState = state
		w.say(state)
	}
}

// since returns the time since *at. If *at is zero, since sets it to now.
func since(at *time.Time) time.Duration {
	if at.IsZero() {
		*at = time.Now()
	}
	return time.Since(*at)
}

// state returns a sentence with the server's phase and its cause.
func (d devServer) state() string {
	return strings.TrimSuffix(fmt.Sprintf("DevServer %s is %s: %s", d.address(), d.phase(), d.cause()), ": ")
}

// stateAfter returns the message for a client that the gateway stops waiting for: the
// server's state, and how long the gateway waited.
func (d devServer) stateAfter(waited time.Duration) string {
	return fmt.Sprintf("%s. The gateway gave up after %s; the server will start when it can, so try again later", strings.TrimSuffix(d.state(), "."), policy.Short(waited))
}

// refusalOf returns err if it is a refusal, or a refusal with err's text.
func refusalOf(err error) *refused {
	if r, ok := errors.AsType[*refused](err); ok {
		return r
	}
	return &refused{reason: ssh.Prohibited, message: err.Error()}
}
