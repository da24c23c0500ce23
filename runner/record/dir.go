package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/ids"
	"cove/internal/leanjson"
	"cove/network"
)

// Dir is a container's directory, <root>/containers/<id>.
type Dir string

// Root is the local root that the directory is in.
func (d Dir) Root() string { return filepath.Dir(filepath.Dir(string(d))) }

// ID is the container's.
func (d Dir) ID() string { return filepath.Base(string(d)) }

// Path is a file in the directory.
func (d Dir) Path(name string) string { return filepath.Join(string(d), name) }

// Log is the newest log file. It has docker's name, which what gathers logs looks for; those
// of containers that an earlier version made are called "log".
func (d Dir) Log() string {
	if before := d.Path("log"); isThere(before) {
		return before
	}
	return d.Path(d.ID() + "-json.log")
}

func isThere(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// Socket is where the monitor listens, below the run directory: shorter than a
// socket's path may be, and gone after a reboot.
func (d Dir) Socket(run string) string { return filepath.Join(run, "containers", d.ID()+".sock") }

// RemoveSocket removes what a monitor that was killed left there: nobody listens any more,
// and who dials learns so at once.
func (d Dir) RemoveSocket(run string) error {
	if err := os.Remove(d.Socket(run)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Name reads the present name: Config's, unless it was renamed.
func (d Dir) Name() (name string, err error) {
	err = d.readFile(nameFileOwn, func(data []byte) error {
		if name = strings.TrimSpace(string(data)); name == "" {
			return errors.New("it is empty")
		}
		return nil
	})
	return name, d.needed(nameFileOwn, err)
}

// State reads state.json as it is; whether it is still true, the monitor's
// lock tells. That a running container is paused is not in the file, which only
// its monitor writes, but a mark beside it.
func (d Dir) State() (State, error) {
	var st State
	if err := d.needed(stateFile, d.read(stateFile, &st)); err != nil {
		return st, err
	}
	if st.Status == Running && d.Marked(PausedMark) {
		st.Status = Paused
	}
	if st.Status == Running || st.Status == Paused {
		changed, err := d.Networks()
		if err != nil {
			return st, err
		}
		if changed != nil && changed.Monitor == st.Monitor {
			st.Network.Attached = changed.Attached
		}
	}
	return st, nil
}

// Mark is a fact of a container that is told by a file being there. Whoever
// holds the control lock sets and clears them.
type Mark string

const (
	// PausedMark says that the running container is frozen. It means nothing
	// when the container does not run, and is cleared before a start.
	PausedMark Mark = "paused"
	// StillMark says of a paused container that whoever has the control lock froze it,
	// for as long as its files are read. Without that lock its holder was killed.
	StillMark Mark = "still"
	// KeepMark makes the monitor keep the record of a container that would
	// otherwise be removed with its end: it is about to be started again.
	KeepMark Mark = "keep"
	// StopMark says that a person ended the container, so that its policy does not
	// start it again; a start clears it. Who ends it sets it without the lock, before
	// the signal.
	StopMark Mark = "stopped"
)

// Marked reports whether a mark is set.
func (d Dir) Marked(m Mark) bool {
	return isThere(d.Path(string(m)))
}

// SetMark sets or clears a mark.
func (d Dir) SetMark(m Mark, on bool) error {
	var err error
	if on {
		err = os.WriteFile(d.Path(string(m)), nil, 0o600)
	} else if err = os.Remove(d.Path(string(m))); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("runner: container %s: %w", d.ID(), err)
	}
	return nil
}

// Gone says that the container was removed.
func (d Dir) Gone() bool {
	_, err := os.Lstat(string(d))
	return errors.Is(err, fs.ErrNotExist)
}

func notFound(d Dir) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "No such container: %s", d.ID())
}

// writeJSON replaces a file, without the promise that it outlives a power cut.
func (d Dir) writeJSON(name string, v any) error {
	data, err := leanjson.Marshal(v)
	if err != nil {
		return fmt.Errorf("runner: container %s: encoding %s: %w", d.ID(), name, err)
	}
	return d.Write(name, data, false)
}

// SetState replaces state.json. Durable syncs it: what a container ended with
// should outlive a power cut, that it runs cannot.
func (d Dir) SetState(st State, durable bool) error {
	data, err := leanjson.Marshal(st)
	if err != nil {
		return fmt.Errorf("runner: container %s: encoding state: %w", d.ID(), err)
	}
	keep := atomicfile.Volatile
	if durable {
		keep = atomicfile.Durable
	}
	if err := atomicfile.WriteFull(atomicfile.Host{}, d.Path(stateFile), data, 0o600, keep); err != nil {
		return fmt.Errorf("runner: container %s: writing %s: %w", d.ID(), stateFile, err)
	}
	return nil
}

// Write replaces a file of the directory atomically.
func (d Dir) Write(name string, data []byte, durable bool) error {
	keep := atomicfile.Volatile
	if durable {
		keep = atomicfile.Durable
	}
	if err := atomicfile.WriteFile(d.Path(name), data, 0o600, keep); err != nil {
		return fmt.Errorf("runner: container %s: writing %s: %w", d.ID(), name, err)
	}
	return nil
}

// Alive reports whether the container runs, paused or not.
func (st State) Alive() bool { return st.Status == Running || st.Status == Paused }

// SameMoment reports whether nothing has happened to the container between two
// looks at it.
func (st State) SameMoment(other State) bool {
	return st.Status == other.Status && st.Pid == other.Pid && st.Restarts == other.Restarts &&
		st.StartedAt.Equal(other.StartedAt) && st.FinishedAt.Equal(other.FinishedAt)
}

// Exit is how the container ended.
func (st State) Exit() ExitStatus {
	return ExitStatus{Code: st.ExitCode, OOMKilled: st.OOMKilled, Error: st.Error}
}

// Lost is the state of a container whose monitor ended without telling.
func (st State) Lost(now time.Time) State {
	why := "monitor killed"
	if st.BootID != "" && st.BootID != ids.Boot() {
		why = "the machine was restarted"
	}
	st.Status, st.Pid, st.Monitor, st.ExitCode = Exited, 0, 0, 255
	st.Error, st.FinishedAt, st.Network = why, now, network.State{}
	return st
}
