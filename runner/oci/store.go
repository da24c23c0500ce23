package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/runner/task"
	"cove/sandbox"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// container is what is kept of one, in <root>/<id>/state.json.
type container struct {
	ID      string    `json:"id"`
	Pid     int       `json:"pid"`
	Birth   string    `json:"birth"` // the process's start time: a pid may be used again
	Started bool      `json:"started"`
	Bundle  string    `json:"bundle"`
	Cgroup  string    `json:"cgroup"`
	Created time.Time `json:"created"`
	// SharedRoot is what is to be unmounted in the end.
	SharedRoot *sandbox.SharedRoot `json:"sharedRoot,omitempty"`
	// Spec is the compiled one, complete. It is kept in a file of its own,
	// config.json.
	Spec *specs.Spec `json:"-"`

	dir    string
	config []byte // the bundle's, as it was at create
	hooked bool   // hooks have been run
}

func (a *app) dir(id string) (string, error) {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_+-.", r)
	}
	if id == "" || id[0] == '.' || strings.ContainsFunc(id, bad) {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "container ID %q: only letters, digits and _+-. are allowed", id)
	}
	return filepath.Join(a.root, id), nil
}

// load reads a container; one that is not there is errdefs.ErrNotFound.
func (a *app) load(id string) (*container, error) {
	dir, err := a.dir(id)
	if err != nil {
		return nil, err
	}
	data, err := host.ReadFile(filepath.Join(dir, "state.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "container %q does not exist", id)
	}
	c := &container{dir: dir}
	if err == nil {
		err = leanjson.Unmarshal(data, c)
	}
	if err == nil {
		data, err = host.ReadFile(filepath.Join(dir, "config.json"))
	}
	if err == nil {
		c.Spec = &specs.Spec{}
		err = leanjson.Unmarshal(data, c.Spec)
	}
	if err == nil {
		if c.Spec.Linux == nil {
			c.Spec.Linux = &specs.Linux{}
		}
		err = relative(c.Spec, c.Bundle)
	}
	if err != nil {
		return nil, fmt.Errorf("container %q: reading its state: %w", id, err)
	}
	// As it was compiled: see task.Create.
	c.Spec.Linux.CgroupsPath = c.Cgroup
	return c, nil
}

// reserve makes the directory of a new container.
func (a *app) reserve(id string) (string, error) {
	dir, err := a.dir(id)
	if err != nil {
		return "", err
	}
	if err = os.Mkdir(dir, 0o711); errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(a.root, 0o711); err == nil {
			err = os.Mkdir(dir, 0o711)
		}
	}
	if errors.Is(err, os.ErrExist) {
		return "", errdefs.Errorf(errdefs.ErrExists, "container %q exists; delete it first", id)
	}
	if err != nil {
		return "", fmt.Errorf("container %q: %w", id, err)
	}
	return dir, nil
}

// saveSpec keeps the bundle's config as it was at create.
func (c *container) saveSpec() error { return c.write("config.json", c.config) }

func (c *container) save() error {
	data, err := leanjson.Marshal(c)
	if err != nil {
		return fmt.Errorf("container %q: encoding its state: %w", c.ID, err)
	}
	if err := c.write("state.json.tmp", data); err != nil {
		return err
	}
	path := filepath.Join(c.dir, "state.json")
	return os.Rename(path+".tmp", path)
}

// write makes a file of the container's, as os.WriteFile does; see
// host.ReadFile for why not by that.
func (c *container) write(name string, data []byte) error {
	fd, err := unix.Open(filepath.Join(c.dir, name), unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o600)
	for err == nil && len(data) > 0 {
		var n int
		n, err = unix.Write(fd, data)
		if errors.Is(err, unix.EINTR) {
			n, err = 0, nil
		}
		data = data[max(n, 0):]
	}
	if fd >= 0 {
		err = errors.Join(err, unix.Close(fd))
	}
	if err != nil {
		return fmt.Errorf("container %q: writing %s: %w", c.ID, name, err)
	}
	return nil
}

// birth is a process's start time and whether it is more than a zombie.
func birth(pid int) (start string, alive bool) {
	stat, err := host.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	// The second field, in parentheses, may contain anything.
	rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(rest) < 20 {
		return "", false
	}
	return rest[19], rest[0] != "Z" && rest[0] != "X"
}

// The statuses of the runtime spec, and runc's paused.
const (
	created = specs.StateCreated
	running = specs.StateRunning
	stopped = specs.StateStopped
	paused  = specs.ContainerState("paused")
)

func (c *container) status() specs.ContainerState {
	start, alive := birth(c.Pid)
	switch {
	case c.Pid == 0 || !alive || start != c.Birth:
		return stopped
	case c.frozen():
		return paused
	case !c.Started:
		return created
	}
	return running
}

func (c *container) frozen() bool {
	g, err := c.group()
	if err != nil {
		return false
	}
	frozen, err := g.Frozen()
	return err == nil && frozen
}

func (c *container) group() (*cgroup.Group, error) {
	features, err := host.Detect()
	if err != nil {
		return nil, err
	}
	return cgroup.Load(features.Cgroup, c.Cgroup), nil
}

func (c *container) ociState(status specs.ContainerState) specs.State {
	st := specs.State{Version: specVersion, ID: c.ID, Status: status, Bundle: c.Bundle, Annotations: c.Spec.Annotations}
	if status != stopped {
		st.Pid = c.Pid
	}
	return st
}

// signal goes through a pidfd, so that it meets this process or none.
func (c *container) signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(c.Pid, 0)
	if err == nil {
		defer unix.Close(fd)
		if c.status() == stopped {
			err = unix.ESRCH
		} else {
			err = unix.PidfdSendSignal(fd, sig, nil, 0)
		}
	}
	if errors.Is(err, unix.ESRCH) {
		return errdefs.Errorf(errdefs.ErrConflict, "container %q is not running", c.ID)
	}
	if err != nil {
		return fmt.Errorf("container %q: sending %v: %w", c.ID, sig, err)
	}
	return nil
}

// remove removes the container's directory, without reading it if there is
// only what most containers have.
func (c *container) remove() error {
	for _, name := range []string{"state.json", "config.json"} {
		_ = unix.Unlink(filepath.Join(c.dir, name))
	}
	if unix.Rmdir(c.dir) == nil {
		return nil
	}
	return os.RemoveAll(c.dir)
}

// destroy removes what the runtime keeps, after the process has ended.
func (a *app) destroy(ctx context.Context, c *container, g *cgroup.Group) error {
	var errs []error
	if !task.Has(c.Spec, specs.PIDNamespace) {
		errs = append(errs, g.Kill(ctx)) // processes that do not end with the first may be left
	}
	errs = append(errs, g.Delete(ctx), c.SharedRoot.Unmount(), c.remove())
	a.poststop(ctx, c)
	return errors.Join(errs...)
}
