// Package apiserver starts servers of docker's API for one use: they serve a private
// socket, and end by themselves.
package apiserver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/sibling"
	"cove/internal/filelock"
)

const (
	// patience is how long a server may take until it serves.
	patience = 20 * time.Second
	// idle is how long a shared server stays when nobody asks.
	idle = 5 * time.Minute
)

// Private starts a server of its own for a program that this process will become. It
// ends when alive is closed, by whoever has it last: that program has it, too.
func Private(ctx context.Context, a *app.App) (host string, alive io.Closer, err error) {
	socket := filepath.Join(RuntimeDir(), "compose-"+strconv.Itoa(os.Getpid())+".sock")
	r, w, err := os.Pipe()
	if err != nil {
		return "", nil, err
	}
	defer r.Close()
	err = start(ctx, a, server{socket: socket, input: r, until: []string{"--until-eof"}})
	if err == nil {
		_, err = unix.FcntlInt(w.Fd(), unix.F_SETFD, 0) // the program keeps it, and so the server
	}
	if err != nil {
		w.Close()
		return "", nil, err
	}
	return "unix://" + socket, w, nil
}

// Shared connects to the one server that all clients of a root share who come without
// a socket of their own: what one of them attached to, another starts. It is started
// when there is none, and ends when nobody has asked for a while.
func Shared(ctx context.Context, a *app.App) (*net.UnixConn, error) {
	root, err := filepath.Abs(a.Root)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(root))
	socket := filepath.Join(RuntimeDir(), "stdio-"+hex.EncodeToString(sum[:8])+".sock")
	if conn, err := dial(ctx, socket); err == nil {
		return conn, nil
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return nil, err
	}
	var conn *net.UnixConn
	err = filelock.With(ctx, socket+".lock", func() error { // one of them starts it
		if conn, err = dial(ctx, socket); err == nil {
			return nil
		}
		err := start(ctx, a, server{socket: socket, until: []string{"--idle", idle.String()}})
		if err == nil {
			conn, err = dial(ctx, socket)
		}
		return err
	})
	return conn, err
}

func dial(ctx context.Context, socket string) (*net.UnixConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// server is one to be started: where it serves, and until when.
type server struct {
	socket string
	input  *os.File
	until  []string
}

// start starts a server that outlives this command, and waits until it serves.
func start(ctx context.Context, a *app.App, s server) error {
	program, err := sibling.Path("cove-api")
	if err != nil {
		return err
	}
	said, err := os.CreateTemp("", "cove-api-") // a pipe would have no reader when this process is another
	if err != nil {
		return err
	}
	defer said.Close()
	if err := os.Remove(said.Name()); err != nil {
		return err
	}
	process := exec.Command(program, arguments(a, s)...) //nolint:noctx // it outlives this command
	process.Args[0], process.Stderr = a.Prog, said
	if s.input != nil {
		process.Stdin = s.input
	}
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // ctrl-c is not for it
	if err := process.Start(); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "serving docker's API: %w", err)
	}
	if err = awaitServed(ctx, process, s.socket); err == nil {
		return nil
	}
	_, seekErr := said.Seek(0, io.SeekStart)
	text, readErr := io.ReadAll(said)
	err = errdefs.Errorf(errdefs.ErrUnavailable, "serving docker's API: %w: %s", err, bytes.TrimSpace(text))
	return errors.Join(err, seekErr, readErr)
}

// RuntimeDir is where sockets live that end with this boot.
func RuntimeDir() string {
	if os.Geteuid() == 0 {
		return "/run/cove"
	}
	return filepath.Join(cmp.Or(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()), "cove-"+strconv.Itoa(os.Geteuid()))
}

// arguments have the server work on what this command would.
func arguments(a *app.App, s server) []string {
	args := []string{"--here", "--root", a.Root}
	for _, name := range a.Insecure {
		args = append(args, "--insecure-registry", name)
	}
	for _, url := range a.Mirrors {
		args = append(args, "--registry-mirror", url)
	}
	if a.Debug {
		args = append(args, "--debug")
	}
	return append(append(args, "api", "serve", "--socket", s.socket), s.until...)
}

// awaitServed waits until somebody answers on the socket, or the server ended.
func awaitServed(ctx context.Context, server *exec.Cmd, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	for {
		if conn, err := dial(ctx, socket); err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the server ended: %w", cmp.Or(err, io.EOF))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
