package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"cove/errdefs"
	"cove/internal/cli/app"
)

// connection is ssh as what a command there reads and writes.
type connection struct {
	io.WriteCloser // its standard input
	out            io.Reader
	cmd            *exec.Cmd
}

func (c connection) Read(p []byte) (int, error) { return c.out.Read(p) }

// Close ends what is sent, and waits until the other side has ended.
func (c connection) Close() error {
	err := c.WriteCloser.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	return errors.Join(err, c.cmd.Wait())
}

// dial executes the command there that keeps a parcel, on the root of this one.
func (e Endpoint) dial(ctx context.Context, a *app.App, i invocation) (connection, error) {
	words := []string{"system", "parcel"}
	if f := i.cmd.Flags().Lookup("root"); f != nil && f.Changed {
		words = append(words, "--root="+f.Value.String())
	}
	return e.open(ctx, a, words, nil)
}

func (e Endpoint) open(
	ctx context.Context, a *app.App, words []string, attr *syscall.SysProcAttr,
) (c connection, err error) {
	if c.cmd, err = e.command(ctx, e.ssh(false, nil, words)); err != nil {
		return c, err
	}
	c.cmd.Stderr, c.cmd.SysProcAttr = a.Err, attr
	if c.WriteCloser, err = c.cmd.StdinPipe(); err != nil {
		return c, err
	}
	if c.out, err = c.cmd.StdoutPipe(); err != nil {
		return c, err
	}
	if err = c.cmd.Start(); err != nil {
		return c, errdefs.Errorf(errdefs.ErrUnavailable, "reaching %s: %w", e, err)
	}
	return c, nil
}

// Relay serves docker's API of an endpoint on a private socket of this side, until close
// is called: each connection is a command there. host is the socket's address.
func (e Endpoint) Relay(ctx context.Context, a *app.App) (host string, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "cove-relay-") // only this user's
	if err != nil {
		return "", nil, err
	}
	socket := filepath.Join(dir, "docker.sock")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { e.relay(ctx, a, conn.(*net.UnixConn)) })
		}
	})
	return "unix://" + socket, func() error {
		err := l.Close()
		cancel()
		all.Wait()
		return errors.Join(err, os.RemoveAll(dir))
	}, nil
}

// relay carries one connection both ways, each end by itself.
func (e Endpoint) relay(ctx context.Context, a *app.App, conn *net.UnixConn) {
	defer conn.Close()
	// ctrl-c is for the program that is served, which has something to say then.
	far, err := e.open(ctx, a, []string{"system", "dial-stdio"}, &syscall.SysProcAttr{Setsid: true})
	if err != nil {
		a.Warnf("%v", err)
		return
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var sent sync.WaitGroup
	sent.Go(func() {
		_, _ = io.Copy(far, conn) // a far side that reads no more says why in what it sends
		_ = far.WriteCloser.Close()
	})
	_, _ = io.Copy(conn, far)
	conn.Close() // there is nobody any more to send to
	sent.Wait()
	_ = far.Close() // ssh has said what went wrong
}
