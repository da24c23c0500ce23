package command

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"cove/builder/plan"
	"cove/errdefs"
)

// Agent answers the ssh clients of a RUN.
type Agent interface {
	// Serve answers on one connection until its end, and closes it.
	Serve(conn net.Conn) error
}

// sshVariable is how ssh finds its agent.
const sshVariable = "SSH_AUTH_SOCK"

// ssh mounts a socket at which an agent answers while the command runs.
func (m *Mounts) ssh(rm plan.RunMount) error {
	agent, ok := m.SSH[rm.ID]
	switch {
	case !ok && rm.Required:
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrNotFound, "the ssh agent %q is required", rm.ID),
			errdefs.GiveAgent, rm.ID)
	case !ok:
		return nil
	}
	dir, err := memoryDir(m.Temp)
	if err != nil {
		return err
	}
	m.Opened.Add(func() error { return os.RemoveAll(dir) })
	socket := filepath.Join(dir, "agent")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	m.Opened.Add(answer(l, agent))
	// Only whom the mount is for can connect, whoever can see the directory.
	err = os.Chmod(socket, os.FileMode(rm.Mode&0o777))
	if err == nil {
		err = os.Chown(socket, int(rm.UID), int(rm.GID))
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	m.Mount(rm.Target, bindOf(socket))
	isSet := func(kv string) bool { return strings.HasPrefix(kv, sshVariable+"=") }
	for _, kv := range m.Request.Env {
		if isSet(kv) {
			return nil
		}
	}
	m.Request.Env = append(m.Request.Env, sshVariable+"="+rm.Target)
	return nil
}

// answer lets an agent answer all who connect, until the returned function is
// called, which waits for those that are being answered.
func answer(l net.Listener, agent Agent) (end func() error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() {
				_ = agent.Serve(conn) // the client sees the end of the connection
				mu.Lock()
				delete(open, conn)
				mu.Unlock()
			})
		}
	})
	return func() error {
		err := l.Close()
		mu.Lock()
		for conn := range open {
			err = errors.Join(err, conn.Close())
		}
		mu.Unlock()
		wg.Wait()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	}
}
