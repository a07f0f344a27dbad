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

	"devserver.io/devserver/internal/serverstate"
)

// patience is how long a client that asks for a box is left waiting. There is
// no way to tell it anything before the channel is opened or refused.
type patience struct {
	// wake is for a box that is on its way.
	wake time.Duration
	// stuck is for one that something hinders, such as a quota. It goes on by
	// itself when that is over; the person should know meanwhile.
	stuck time.Duration
	// dial is for one that is said to be Running and does not answer.
	dial time.Duration
	// between two looks at a box of which nothing new is heard.
	between time.Duration
}

// dialTimeout bounds one attempt to connect to a box.
const dialTimeout = 10 * time.Second

// patient is the default.
func patient(wake time.Duration) patience {
	return patience{wake: wake, stuck: min(wake, 20*time.Second), dial: 10 * time.Second, between: time.Second}
}

// refused is why a client does not get what it asks for.
type refused struct {
	reason  ssh.RejectionReason
	message string
}

func (r *refused) Error() string { return r.message }

func prohibited(format string, args ...any) error {
	return &refused{reason: ssh.Prohibited, message: fmt.Sprintf(format, args...)}
}

// vigil is the wait of one client for one box.
type vigil struct {
	*client
	name types.NamespacedName
	// say is told how the box is whenever that changes.
	say func(string)

	start    time.Time
	stuck    time.Time // since when something is in the way
	unheard  time.Time // since when it does not answer although it is Running
	asleep   bool      // it was when the wait began
	lastSaid string
}

// await returns a connection to the SSH server of the box of that name, which
// it wakes if it sleeps. ctx ends when the client may not have it any more.
func (c *client) await(ctx context.Context, name types.NamespacedName, say func(string)) (box, net.Conn, error) {
	v := &vigil{client: c, name: name, say: say, start: time.Now()}
	waiting, cancel := context.WithTimeout(ctx, c.server.patience.wake)
	defer cancel()
	changed, stop := c.server.directory.follow(name)
	defer stop()
	tick := time.NewTicker(c.server.patience.between)
	defer tick.Stop()
	for {
		b, ok := c.server.directory.find(c.who, name)
		if !ok {
			return b, nil, prohibited("there is no DevServer %s that your key opens", address(name))
		}
		conn, err := v.look(waiting, b)
		if conn != nil || err != nil {
			return b, conn, err
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-waiting.Done():
			if cause := context.Cause(ctx); cause != nil {
				return b, nil, prohibited("%s", cause.Error())
			}
			return b, nil, prohibited("%s", b.still(c.server.patience.wake))
		}
	}
}

// look does what the box needs now. It returns neither a connection nor an
// error where there is nothing but to wait.
func (v *vigil) look(ctx context.Context, b box) (net.Conn, error) {
	if b.isRunning() {
		return v.dial(ctx, b)
	}
	v.unheard = time.Time{}
	v.tell(b.state())
	if serverstate.WakesOnConnect(b.DevServer) && serverstate.IsSuspended(b.DevServer) && b.DeletionTimestamp.IsZero() {
		v.asleep, v.stuck = true, time.Time{}
		return nil, v.wake(ctx, b)
	}
	if _, so := serverstate.Stuck(b.DevServer); so {
		return nil, prohibited("%s", b.state())
	}
	if serverstate.Obstacle(b.DevServer) == nil {
		v.stuck = time.Time{}
		return nil, nil
	}
	if patience := v.server.patience.stuck; since(&v.stuck) >= patience {
		return nil, prohibited("%s", b.still(patience))
	}
	return nil, nil
}

// dial connects to a box that is said to be Running.
func (v *vigil) dial(ctx context.Context, b box) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	waited := since(&v.unheard)
	conn, err := v.server.dial(ctx, "tcp", b.sshAddress())
	switch {
	case err == nil:
		if v.asleep {
			v.server.metrics.woken.Observe(time.Since(v.start).Seconds())
		}
		return conn, nil
	case waited < v.server.patience.dial && ctx.Err() == nil:
		return nil, nil // Its pod is about to go, or has just come.
	}
	v.log.Warn("box does not answer", "box", b.address(), "error", err)
	return nil, &refused{reason: ssh.ConnectionFailed, message: fmt.Sprintf("DevServer %s does not answer at the moment: try again", b.address())}
}

func (v *vigil) wake(ctx context.Context, b box) error {
	first, err := v.server.waker.wake(ctx, v.name)
	if first {
		v.server.metrics.wakes.WithLabelValues(result(err)).Inc()
	}
	switch {
	case err != nil && ctx.Err() == nil: // Else the caller knows why.
		v.log.Error("waking failed", "box", b.address(), "error", err)
		return prohibited("%s", explainLease("waking DevServer "+b.address(), err).Error())
	case err == nil && first:
		v.log.Info("woken", "box", b.address())
	}
	return nil
}

func (v *vigil) tell(state string) {
	if v.say != nil && state != v.lastSaid {
		v.lastSaid = state
		v.say(state)
	}
}

// since is how long it is since the time that at has, from now if it has none.
func since(at *time.Time) time.Duration {
	if at.IsZero() {
		*at = time.Now()
	}
	return time.Since(*at)
}

// state says in words how the box is, and why.
func (b box) state() string {
	return strings.TrimSuffix(fmt.Sprintf("DevServer %s is %s: %s", b.address(), b.phase(), b.cause()), ": ")
}

// still is the end of a wait.
func (b box) still(after time.Duration) string {
	return fmt.Sprintf("%s. It is still so after %s, and goes on by itself: connect again later", strings.TrimSuffix(b.state(), "."), after)
}

// refusalOf is what a client is told.
func refusalOf(err error) *refused {
	if r, ok := errors.AsType[*refused](err); ok {
		return r
	}
	return &refused{reason: ssh.Prohibited, message: err.Error()}
}
