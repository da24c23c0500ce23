// Package install sets docker's API up where docker's clients look for it by
// themselves, by units of systemd, and undoes that.
package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"cove/engine/api/listen"
	"cove/errdefs"
	"cove/internal/atomicfile"
)

const (
	// Socket is where docker's clients look.
	Socket = "/run/docker.sock"

	units       = "/etc/systemd/system"
	socketUnit  = "cove-docker.socket"
	serviceUnit = "cove-docker.service"

	// mark begins the files that are this package's, and so are removed by it.
	mark = "# Written by 'cove api install'; 'cove api uninstall' removes it.\n"
)

// dockersUnits are the folders of docker's units, in systemd's order.
var dockersUnits = []string{
	units, "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
}

// Machine is where it is set up.
type Machine struct {
	// Root is the folder that is its /: "" but in tests.
	Root string
	// Cove is the path of the program that systemd starts.
	Cove string
	// Systemctl executes that program.
	Systemctl func(ctx context.Context, args ...string) error
	// Look finds a program in $PATH.
	Look func(name string) (string, error)
	// Out is told what was done.
	Out io.Writer
}

// This is the machine that we are on.
func This(cove string, out io.Writer) Machine {
	return Machine{Cove: cove, Systemctl: systemctl, Look: exec.LookPath, Out: out}
}

func systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"systemctl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func (m Machine) path(name string) string { return m.Root + name }

// Install has systemd listen on the socket, which its owner may use, and start the server
// with the first client. Where docker is, or something else has the socket, it is
// errdefs.ErrConflict and nothing is done; without systemd it is errdefs.ErrUnsupported.
func (m Machine) Install(ctx context.Context, owner listen.Owner) error {
	if err := m.free(); err != nil {
		return err
	}
	if _, err := os.Stat(m.path("/run/systemd/system")); err != nil {
		return errdefs.Errorf(errdefs.ErrUnsupported, "systemd does not run here, which would listen on %s; "+
			"have your init execute '%s api serve --socket %s', or do it yourself", Socket, m.Cove, Socket)
	}
	for _, unit := range []struct{ name, text string }{
		{serviceUnit, m.service()}, {socketUnit, socket(owner)},
	} {
		file := filepath.Join(units, unit.name)
		if err := atomicfile.WriteFile(m.path(file), []byte(unit.text), 0o644, atomicfile.Durable); err != nil {
			return errors.Join(err, m.remove(serviceUnit))
		}
		m.tell("wrote %s", file)
	}
	for _, args := range [][]string{{"daemon-reload"}, {"enable", "--now", socketUnit}} {
		if err := m.Systemctl(ctx, args...); err != nil {
			return errors.Join(err, m.takeBack(ctx))
		}
		m.tell("systemctl %s", strings.Join(args, " "))
	}
	m.tell("docker's clients find cove at %s now; 'cove api uninstall' undoes this", Socket)
	return nil
}

// takeBack undoes what a failed Install did: systemd may have enabled the socket and
// not been able to listen on it.
func (m Machine) takeBack(ctx context.Context) error {
	_ = m.Systemctl(ctx, "disable", "--now", socketUnit, serviceUnit) // what it does not know is not enabled
	err := errors.Join(m.remove(socketUnit), m.remove(serviceUnit))
	_ = m.Systemctl(ctx, "daemon-reload") // what failed is told already
	m.tell("removed what was written")
	return err
}

// free finds out whether docker, or somebody else, has the socket.
func (m Machine) free() error {
	switch ours, err := m.ours(socketUnit); {
	case err != nil:
		return err
	case ours:
		return errdefs.Errorf(errdefs.ErrExists, "it is set up already, by %s; 'cove api uninstall' removes it",
			filepath.Join(units, socketUnit))
	}
	conflict := func(what string) error {
		return errdefs.Errorf(errdefs.ErrConflict,
			"docker is on this machine (%s), and %s is its own; remove docker first, or serve another socket "+
				"and name it in a context: cove api serve --socket /run/cove/docker.sock", what, Socket)
	}
	if path, err := m.Look("dockerd"); err == nil {
		return conflict(path)
	}
	for _, dir := range dockersUnits {
		for _, unit := range []string{"docker.socket", "docker.service"} {
			if _, err := os.Lstat(m.path(filepath.Join(dir, unit))); err == nil {
				return conflict(filepath.Join(dir, unit))
			}
		}
	}
	if _, err := os.Lstat(m.path(Socket)); err == nil {
		return errdefs.Errorf(errdefs.ErrConflict, "%s is there already, of another program; end that, or remove "+
			"the file when nobody listens (fuser %s), or serve another socket and name it in a context", Socket, Socket)
	}
	return nil
}

// ours reports whether a unit is there that Install wrote. One that it did not write is
// errdefs.ErrConflict.
func (m Machine) ours(unit string) (bool, error) {
	file := filepath.Join(units, unit)
	body, err := os.ReadFile(m.path(file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !bytes.HasPrefix(body, []byte(mark)):
		return false, errdefs.Errorf(errdefs.ErrConflict, "%s is not of 'cove api install'", file)
	}
	return true, nil
}

// Uninstall undoes what Install did, and nothing else. Containers run on.
func (m Machine) Uninstall(ctx context.Context) error {
	there := false
	for _, unit := range []string{socketUnit, serviceUnit} {
		ours, err := m.ours(unit)
		if err != nil {
			return err
		}
		there = there || ours
	}
	if !there {
		return errdefs.Errorf(errdefs.ErrNotFound, "'cove api install' has set nothing up here")
	}
	if err := m.Systemctl(ctx, "disable", "--now", socketUnit, serviceUnit); err != nil {
		return err
	}
	m.tell("systemctl disable --now %s %s", socketUnit, serviceUnit)
	for _, unit := range []string{socketUnit, serviceUnit} {
		if err := m.remove(unit); err != nil {
			return err
		}
		m.tell("removed %s", filepath.Join(units, unit))
	}
	if err := m.Systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	m.tell("systemctl daemon-reload")
	return nil
}

func (m Machine) remove(unit string) error {
	err := os.Remove(m.path(filepath.Join(units, unit)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (m Machine) tell(format string, args ...any) { fmt.Fprintf(m.Out, format+"\n", args...) }

func socket(owner listen.Owner) string {
	text := mark + `[Unit]
Description=Socket of docker's API, served by cove, where docker's clients look for it

[Socket]
ListenStream=` + Socket + `
SocketMode=0660
RemoveOnStop=yes
`
	if owner.User != "" {
		text += "SocketUser=" + owner.User + "\n"
	}
	if owner.Group != "" {
		text += "SocketGroup=" + owner.Group + "\n"
	}
	return text + "\n[Install]\nWantedBy=sockets.target\n"
}

func (m Machine) service() string {
	return mark + `[Unit]
Description=docker's API, served by cove
Requires=` + socketUnit + `
After=` + socketUnit + ` network-online.target

[Service]
ExecStart=` + m.Cove + ` api serve --idle 5m
# Each container outlives the server that started it.
KillMode=process
Delegate=yes
LimitNOFILE=1048576
`
}
