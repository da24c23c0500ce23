// Package state is what the OCI runtime keeps of its containers, a directory for each,
// and what each of them is doing: its status, its process, its control group.
package state

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
	"cove/internal/process"
	"cove/runner/oci/bundle"
	"cove/runner/oci/notify"
	"cove/sandbox"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// Store is the directory of all containers, the runtime's --root.
type Store struct{ Root string }

// Container is what is kept of one, in <root>/<id>/state.json.
type Container struct {
	ID      string    `json:"id"`
	Pid     int       `json:"pid"`
	Birth   string    `json:"birth"` // the process's start time: a pid may be used again
	Started bool      `json:"started"`
	Bundle  string    `json:"bundle"`
	Cgroup  string    `json:"cgroup"`
	Created time.Time `json:"created"`
	// SharedRoot is what is to be unmounted in the end.
	SharedRoot *sandbox.SharedRoot `json:"sharedRoot,omitempty"`
	// NoPivot, Bare and KeepKeyring are as in host.Features.
	NoPivot     bool     `json:"noPivot,omitempty"`
	Bare        []string `json:"bare,omitempty"`
	KeepKeyring bool     `json:"keepKeyring,omitempty"`
	// Notify says that it has a socket for what it tells of itself: see package notify.
	Notify bool `json:"notify,omitempty"`
	// Spec is the compiled one, complete. It is kept in a file of its own,
	// config.json.
	Spec *specs.Spec `json:"-"`

	// Config is the bundle's config.json, as it was at create.
	Config []byte `json:"-"`

	dir string
}

// Dir is the container's directory.
func (c *Container) Dir() string { return c.dir }

func (s Store) dir(id string) (string, error) {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_+-.", r)
	}
	if id == "" || id[0] == '.' || strings.ContainsFunc(id, bad) {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "container ID %q: only letters, digits and _+-. are allowed", id)
	}
	return filepath.Join(s.Root, id), nil
}

// Load reads a container; one that is not there is errdefs.ErrNotFound.
func (s Store) Load(id string) (*Container, error) {
	dir, err := s.dir(id)
	if err != nil {
		return nil, err
	}
	data, err := host.ReadFile(filepath.Join(dir, "state.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "container %q does not exist", id)
	}
	c := &Container{dir: dir}
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
		err = bundle.Relative(c.Spec, c.Bundle)
	}
	if err != nil {
		return nil, fmt.Errorf("container %q: reading its state: %w", id, err)
	}
	// As it was compiled: see task.Create.
	c.Spec.Linux.CgroupsPath = c.Cgroup
	c.MountNotify()
	return c, nil
}

// MountNotify shows the container its socket, if it has one.
func (c *Container) MountNotify() {
	if c.Notify {
		c.Spec.Mounts = append(c.Spec.Mounts, notify.Mount(c.dir))
	}
}

// Features are the machine's, used as the container asks for.
func (c *Container) Features() (host.Features, error) {
	f, err := host.Detect()
	f.NoPivot, f.Bare, f.KeepKeyring = c.NoPivot, c.Bare, c.KeepKeyring
	return f, err
}

// All reads every container that can be read.
func (s Store) All() ([]*Container, error) {
	entries, err := os.ReadDir(s.Root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var all []*Container
	for _, e := range entries {
		if c, err := s.Load(e.Name()); err == nil {
			all = append(all, c)
		}
	}
	return all, nil
}

// Reserve makes the directory of a new container. An id in use is errdefs.ErrExists.
func (s Store) Reserve(id string) (*Container, error) {
	dir, err := s.dir(id)
	if err != nil {
		return nil, err
	}
	if err = os.Mkdir(dir, 0o711); errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(s.Root, 0o711); err == nil {
			err = os.Mkdir(dir, 0o711)
		}
	}
	if errors.Is(err, os.ErrExist) {
		return nil, errdefs.Errorf(errdefs.ErrExists, "container %q exists; delete it first", id)
	}
	if err != nil {
		return nil, fmt.Errorf("container %q: %w", id, err)
	}
	return &Container{ID: id, Created: time.Now().UTC(), dir: dir}, nil
}

// Discard removes what a create that was killed has left, if there is something: its
// directory, and its group once its processes are gone. They die with their parent, but for one
// that already waited to be started, which nobody will do.
func (s Store) Discard(id string) error {
	dir, err := s.dir(id)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil // nobody's, so that a group of the name is somebody else's
	}
	path := "/" + id
	spec := specs.Spec{}
	data, err := host.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil && leanjson.Unmarshal(data, &spec) == nil && spec.Linux != nil && spec.Linux.CgroupsPath != "" {
		path = spec.Linux.CgroupsPath
	}
	features, err := host.Detect()
	if err != nil {
		return err
	}
	g := cgroup.Load(features.Cgroup, path)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		pids, err := g.Procs()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			break
		}
		if time.Since(begin) > dying/5 {
			endWaiting(dir) // and not the group, which may be somebody else's
		}
		if time.Since(begin) > dying {
			return errdefs.Errorf(errdefs.ErrConflict,
				"container %q: processes %d, which a create has left, do not end", id, pids)
		}
	}
	endWaiting(dir) // in a group that systemd made, whose path is not known here
	ctx, cancel := context.WithTimeout(context.Background(), dying)
	defer cancel()
	return errors.Join(g.Delete(ctx), os.RemoveAll(dir))
}

// endWaiting kills the processes that wait at the gate of a directory.
func endWaiting(dir string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			_ = process.Signal(pid, unix.SIGKILL, func() bool { return sandbox.AtGate(dir, pid) })
		}
	}
}

// dying is how long the processes of a create that was killed may take to end.
const dying = 5 * time.Second

// SaveSpec keeps the bundle's config as it was at create.
func (c *Container) SaveSpec() error { return c.write("config.json", c.Config) }

// Save records the container, whole or not at all.
func (c *Container) Save() error {
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
func (c *Container) write(name string, data []byte) error {
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

// Birth is a process's start time and whether it is more than a zombie.
func birthOf(pid int) (start string, alive bool) {
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
	Created = specs.StateCreated
	Running = specs.StateRunning
	Stopped = specs.StateStopped
	Paused  = specs.ContainerState("paused")
)

// SetPid names the container's process, which has just been made.
func (c *Container) SetPid(pid int) {
	c.Pid = pid
	c.Birth, _ = birthOf(pid)
}

// Status is what the container is doing.
func (c *Container) Status() specs.ContainerState {
	start, alive := birthOf(c.Pid)
	switch {
	case c.Pid == 0 || !alive || start != c.Birth:
		return Stopped
	case c.Frozen():
		return Paused
	case !c.Started:
		return Created
	}
	return Running
}

// Frozen reports whether its processes are frozen.
func (c *Container) Frozen() bool {
	g, err := c.Group()
	if err != nil {
		return false
	}
	frozen, err := g.Frozen()
	return err == nil && frozen
}

// Group is its control group.
func (c *Container) Group() (*cgroup.Group, error) {
	features, err := host.Detect()
	if err != nil {
		return nil, err
	}
	return cgroup.Load(features.Cgroup, c.Cgroup), nil
}

// OCI is the state as the spec has it, with a status.
func (c *Container) OCI(status specs.ContainerState) specs.State {
	st := specs.State{
		Version: bundle.SpecVersion, ID: c.ID, Status: status, Bundle: c.Bundle, Annotations: c.Spec.Annotations,
	}
	if status != Stopped {
		st.Pid = c.Pid
	}
	return st
}

// Remove removes the container's directory, without reading it if there is
// only what most containers have.
func (c *Container) Remove() error {
	for _, name := range []string{"state.json", "config.json"} {
		_ = unix.Unlink(filepath.Join(c.dir, name))
	}
	if unix.Rmdir(c.dir) == nil {
		return nil
	}
	return os.RemoveAll(c.dir)
}

// Description is what state and list print, in runc's order: the spec's state, and
// runc's additions to it.
type Description struct {
	Version     string               `json:"ociVersion"`
	ID          string               `json:"id"`
	Pid         int                  `json:"pid"`
	Status      specs.ContainerState `json:"status"`
	Bundle      string               `json:"bundle"`
	Rootfs      string               `json:"rootfs"`
	Created     time.Time            `json:"created"`
	Annotations map[string]string    `json:"annotations,omitempty"`
	Owner       string               `json:"owner"`
}

// Describe is c as state and list print it.
func (c *Container) Describe() Description {
	st := c.OCI(c.Status())
	return Description{
		Version: st.Version, ID: st.ID, Pid: st.Pid, Status: st.Status, Bundle: st.Bundle,
		Rootfs: c.Spec.Root.Path, Created: c.Created, Annotations: st.Annotations,
	}
}
