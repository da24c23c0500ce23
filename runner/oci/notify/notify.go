// Package notify passes on what a container's process says of itself to systemd (sd_notify(3)):
// that it is ready. The socket that a service has in NOTIFY_SOCKET is the host's; the container
// gets one of its own at /run/notify, and whoever starts it hands on what comes there.
package notify

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	// variable names the socket, on both sides.
	variable = "NOTIFY_SOCKET"
	inside   = "/run/notify"
	socket   = "notify.sock"
	// pause is how often it is looked whether the process has ended without a word.
	pause = 100 * time.Millisecond
)

// Wanted reports whether somebody waits to hear of the process.
func Wanted() bool { return os.Getenv(variable) != "" }

// directory is where the container's socket is, as the host has it.
func directory(dir string) string { return filepath.Join(dir, "notify") }

// Mount is what shows the container's socket to it; dir is the container's own directory.
func Mount(dir string) specs.Mount {
	return specs.Mount{
		Type: "bind", Source: directory(dir), Destination: inside,
		Options: []string{"bind", "nosuid", "noexec", "nodev", "ro"},
	}
}

// Prepare makes the place for the socket, and tells the process of it.
func Prepare(dir string, p *specs.Process) error {
	if err := os.Mkdir(directory(dir), 0o755); err != nil {
		return fmt.Errorf("place of the container's notify socket: %w", err)
	}
	p.Env = append(p.Env, variable+"="+inside+"/"+socket)
	return nil
}

// Proxy hands on what one container says.
type Proxy struct {
	from *net.UnixConn
	path string
}

// Listen opens the container's socket. It is nil, without an error, for a container without
// a place for one, or where nobody waits.
func Listen(dir string) (*Proxy, error) {
	if !Wanted() || !exists(directory(dir)) {
		return nil, nil
	}
	path := filepath.Join(directory(dir), socket)
	from, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("the container's notify socket: %w", err)
	}
	// Whoever the process is, in whichever user namespace.
	if err := os.Chmod(path, 0o777); err != nil { //nolint:gosec // only the container sees it
		return nil, errors.Join(err, from.Close())
	}
	return &Proxy{from: from, path: path}, nil
}

func exists(name string) bool { return unix.Access(name, unix.F_OK) == nil }

// Run waits until the process says that it is ready, and tells so on the host, with the
// process that is the service from then on, unless that is zero: the one that calls stays it.
// It ends when ended says that nobody is left to speak. A nil Proxy waits for nothing.
func (p *Proxy) Run(pid int, ended func() bool) error {
	if p == nil {
		return nil
	}
	defer func() { _ = p.Close() }() // what is left is removed with the container
	buf := make([]byte, 4096)
	for {
		if err := p.from.SetReadDeadline(time.Now().Add(pause)); err != nil {
			return fmt.Errorf("the container's notify socket: %w", err)
		}
		n, err := p.from.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if ended() {
				return nil
			}
		case err != nil:
			return fmt.Errorf("the container's notify socket: %w", err)
		case isReady(buf[:n]):
			return tell(pid)
		}
	}
}

// Close ends a Proxy that is not run.
func (p *Proxy) Close() error {
	if p == nil {
		return nil
	}
	return errors.Join(p.from.Close(), os.Remove(p.path))
}

// isReady: nothing else that a container says is its supervisor's to hear.
func isReady(message []byte) bool {
	for line := range bytes.SplitSeq(message, []byte{'\n'}) {
		if string(line) == "READY=1" {
			return true
		}
	}
	return false
}

// tell says on the host that the service is ready.
func tell(pid int) error {
	text := "READY=1\n"
	if pid > 0 {
		text += "MAINPID=" + strconv.Itoa(pid) + "\n"
	}
	to, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: os.Getenv(variable), Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("%s of the host: %w", variable, err)
	}
	defer to.Close()
	if _, err := to.Write([]byte(text)); err != nil {
		return fmt.Errorf("%s of the host: %w", variable, err)
	}
	return nil
}
