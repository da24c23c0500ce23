// Package listen opens the sockets of docker's API: a unix socket that a user and a
// group may use, those that systemd opened, and TCP for who has a certificate. There is no TCP
// without: whoever reaches the API is root on its machine.
package listen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// mode is docker's: who owns the socket, and its group.
const mode = 0o660

// Owner is who may use a socket: names or numbers, and "" is whoever serves it.
type Owner struct{ User, Group string }

// Unix listens on a socket in the file system that its owner and the group may use;
// without either it is root's own. A socket that nobody listens on any more is
// replaced; one that somebody does is errdefs.ErrConflict.
func Unix(ctx context.Context, path string, owner Owner) (net.Listener, error) {
	uid, gid, err := owner.ids()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	alone, err := lockFolder(ctx, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	defer alone.Close()
	if err := removeDead(ctx, path); err != nil {
		return nil, err
	}
	// Nobody but its owner, until it has its group: Linux gives the file the mode that
	// the socket has when it is bound.
	private := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var err error
		return errors.Join(conn.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }), err)
	}}
	l, err := private.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	if err := errors.Join(os.Chown(path, uid, gid), os.Chmod(path, mode)); err != nil {
		l.Close()
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	return l, nil
}

// lockWait is how long another server may take to begin on a socket of the same folder.
const lockWait = 5 * time.Second

// lockFolder keeps other servers from beginning on a socket of the folder until it is
// closed: of two that found the same dead socket, one would remove the live one of the
// other, which then served where nobody comes.
func lockFolder(ctx context.Context, dir string) (io.Closer, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", dir, err)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			f.Close()
			return nil, errdefs.Errorf(errdefs.ErrConflict, "another program holds a lock on %s; "+
				"name a socket in another folder", dir)
		}
	}
}

// ids are the numbers that chown takes: -1 changes nothing.
func (o Owner) ids() (uid, gid int, err error) {
	uid, err = numberOf("user", "useradd", o.User, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return 0, 0, err
	}
	gid, err = numberOf("group", "groupadd", o.Group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return uid, gid, err
}

// numberOf is the number of a name, -1 of none; kind and adds are for who mistyped it.
func numberOf(kind, adds, name string, look func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	id, err := look(name)
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrNotFound, "there is no %s %q that the socket could belong to; "+
			"make it (%s --system %q), or name none: the socket is root's then", kind, name, adds, name)
	}
	return strconv.Atoi(id)
}

func removeDead(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listening on %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return errdefs.Errorf(errdefs.ErrConflict,
			"listening on %s: there is a file of that name, which is no socket", path)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		defer conn.Close()
		if !orphaned(conn) {
			return errdefs.Errorf(errdefs.ErrConflict, "listening on %s: somebody listens there already; "+
				"name another socket, or none beside TCP", path)
		}
	} else if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("listening on %s: %w", path, err)
	}
	return os.Remove(path)
}

// orphaned is of a connection to a socket whose server has ended. One that was killed as
// it started a program leaves its socket open in what was to become the program, for a
// moment: nobody will ever answer there.
func orphaned(conn net.Conn) bool {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return false
	}
	ended := false
	err = raw.Control(func(fd uintptr) {
		server, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil || server.Pid <= 0 { // of a process that is not to be seen from here
			return
		}
		ended = hasEnded(int(server.Pid))
	})
	return err == nil && ended
}

// hasEnded is also of one that nobody has waited for yet.
func hasEnded(pid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return errors.Is(err, unix.ESRCH)
	}
	defer unix.Close(fd)
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1
}

// Systemd are the sockets that systemd opened for this process (sd_listen_fds(3)),
// none if it opened none.
func Systemd() ([]net.Listener, error) {
	all, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("the sockets that systemd opened: %w", err)
	}
	for _, l := range all {
		if l == nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"systemd opened a socket that is no stream: use ListenStream=")
		}
	}
	return all, nil
}

// Certificates are files: the server's own, and the authority whose clients may come.
type Certificates struct{ CA, Cert, Key string }

// TCP listens on an address for clients that have a certificate of the authority.
func TCP(ctx context.Context, address string, c Certificates) (net.Listener, error) {
	if c.CA == "" || c.Cert == "" || c.Key == "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "listening on %s: whoever reaches this is root here, "+
			"so it needs a certificate, its key, and the authority of its clients' certificates", address)
	}
	own, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the certificate %s with the key %s: %w", c.Cert, c.Key, err)
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the authority of clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the authority of clients: %s has no certificate", c.CA)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{own}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12,
		// Streams are taken over from HTTP/1.1, as docker's clients do.
		NextProtos: []string{"http/1.1"},
	}), nil
}
