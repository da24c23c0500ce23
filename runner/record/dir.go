package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/leanjson"
)

// Dir is a container's directory, <root>/containers/<id>.
type Dir string

// Root is the local root that the directory is in.
func (d Dir) Root() string { return filepath.Dir(filepath.Dir(string(d))) }

// ID is the container's.
func (d Dir) ID() string { return filepath.Base(string(d)) }

// Path is a file in the directory.
func (d Dir) Path(name string) string { return filepath.Join(string(d), name) }

// Log is the newest log file.
func (d Dir) Log() string { return d.Path("log") }

// Socket is where the monitor listens, below the run directory: shorter than a
// socket's path may be, and gone after a reboot.
func (d Dir) Socket(run string) string { return filepath.Join(run, "containers", d.ID()+".sock") }

// Config reads config.json.
func (d Dir) Config() (Config, error) {
	var cfg Config
	return cfg, d.read("config.json", &cfg)
}

// Name reads the present name: Config's, unless it was renamed.
func (d Dir) Name() (string, error) {
	name, err := os.ReadFile(d.Path("name"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", notFound(d)
	}
	return strings.TrimSpace(string(name)), err
}

// State reads state.json as it is; whether it is still true, the monitor's
// lock tells.
func (d Dir) State() (State, error) {
	var st State
	return st, d.read("state.json", &st)
}

func notFound(d Dir) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "runner: container %s: not found", d.ID())
}

func (d Dir) read(name string, into any) error {
	data, err := os.ReadFile(d.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(d)
	}
	if err != nil {
		return fmt.Errorf("runner: container %s: %w", d.ID(), err)
	}
	if err := leanjson.Unmarshal(data, into); err != nil {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrCorrupt,
			"runner: container %s: %s: %v", d.ID(), name, err), errdefs.Force, d.ID())
	}
	return nil
}

// SetState replaces state.json. Durable syncs it: what a container ended with
// should outlive a power cut, that it runs cannot.
func (d Dir) SetState(st State, durable bool) error {
	data, err := leanjson.Marshal(st)
	if err != nil {
		return fmt.Errorf("runner: container %s: encoding state: %w", d.ID(), err)
	}
	return d.Write("state.json", data, durable)
}

// Write replaces a file of the directory atomically.
func (d Dir) Write(name string, data []byte, durable bool) error {
	tmp := d.Path(name + ".tmp")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("runner: container %s: %w", d.ID(), err)
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, d.Path(name))
	}
	if err == nil && durable {
		err = SyncDir(string(d))
	}
	if err != nil {
		return fmt.Errorf("runner: container %s: writing %s: %w", d.ID(), name, err)
	}
	return nil
}

// SyncDir makes renames in a directory durable.
func SyncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Lock takes one of the directory's locks, "monitor" or "control", and holds it
// until the file is closed. Without wait a lock that another process holds is
// errdefs.ErrConflict.
func (d Dir) Lock(name string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(d.Path(name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound(d)
	}
	if err != nil {
		return nil, fmt.Errorf("runner: container %s: %w", d.ID(), err)
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		switch err := unix.Flock(int(f.Fd()), how); err {
		case nil:
			return f, nil
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			f.Close()
			return nil, errdefs.Errorf(errdefs.ErrConflict, "runner: container %s: busy", d.ID())
		default:
			f.Close()
			return nil, fmt.Errorf("runner: container %s: locking: %w", d.ID(), err)
		}
	}
}

// Lost is the state of a container whose monitor ended without telling.
func (st State) Lost(now time.Time) State {
	why := "monitor killed"
	if st.BootID != "" && st.BootID != ids.Boot() {
		why = "the machine was restarted"
	}
	st.Status, st.Pid, st.Monitor, st.ExitCode = Exited, 0, 0, 255
	st.Error, st.FinishedAt = why, now
	return st
}
