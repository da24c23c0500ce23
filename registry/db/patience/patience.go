// Package patience is how long the connections to PostgreSQL wait for a server that is gone
// or silent.
package patience

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// Silence is how long PostgreSQL may say nothing to a statement. Without an end to it
// one that hangs would hold every request, and a write also after its client has gone:
// a commit whose answer nobody waits for may have happened.
const Silence = time.Minute

// Limit has the connections of a configuration give up a server that has vanished
// within about 10 s and, if most is not 0, one that is silent for so long.
func Limit(cfg *pgx.ConnConfig, most time.Duration) {
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	dialer := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 4 * time.Second, Interval: 2 * time.Second, Count: 3},
		Control:         forgetful,
	}
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil || most == 0 {
			return conn, err
		}
		return &line{Conn: conn, most: most}, nil
	}
}

// forgetful has the kernel give up what was sent and is not acknowledged: keepalives
// are not sent meanwhile.
func forgetful(network, _ string, raw syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	failed := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 10_000)
	})
	if failed != nil {
		return failed
	}
	return err
}

// line is a connection whose other end must answer within a time. A deadline that its
// user sets goes before its own.
type line struct {
	net.Conn
	most time.Duration

	mu    sync.Mutex
	given bool // the user has set a deadline
}

func (l *line) Write(p []byte) (int, error) {
	l.wait()
	return l.Conn.Write(p)
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 {
		l.wait()
	}
	return n, err
}

// wait begins the time anew: something was sent, or has come.
func (l *line) wait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.given {
		_ = l.Conn.SetDeadline(time.Now().Add(l.most)) // it fails on a closed connection, as all else does then
	}
}

// SetDeadline implements net.Conn; none ("no time") lets go of the user's.
func (l *line) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.given = !t.IsZero(); !l.given {
		t = time.Now().Add(l.most)
	}
	return l.Conn.SetDeadline(t)
}
