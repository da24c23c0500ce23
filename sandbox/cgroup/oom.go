package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/host"
)

// OOMKills counts processes of the group, and of those in it, that were killed
// for want of memory.
func (g *Group) OOMKills() (uint64, error) {
	r := reader{}
	n := uint64(0)
	if g.host.Mode == host.CgroupV2 {
		n = r.pairs(g.dir(&g.host.Hierarchies[0]), "memory.events")["oom_kill"]
	} else {
		n = r.oomKillsV1(g.find("memory"))
	}
	if r.err != nil {
		return n, fmt.Errorf("cgroup: %s: reading who was killed for memory: %w", g.path, r.err)
	}
	return n, nil
}

// OOMWatch tells at once that processes of a group were killed for want of memory. v1
// tells nothing of groups that the container made in its own; OOMKills counts those, too.
type OOMWatch struct {
	group *Group
	await func(look func() bool) error
	file  *os.File
	done  chan struct{}
	seen  uint64
}

// WatchOOM begins to watch. On a host that counts no memory it is errdefs.ErrUnsupported.
func (g *Group) WatchOOM() (*OOMWatch, error) {
	dir := g.find("memory")
	if g.host.Mode == host.CgroupV2 {
		dir = g.dir(&g.host.Hierarchies[0])
	}
	if dir == "" {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: %s: memory is not counted", g.path)
	}
	w := &OOMWatch{group: g, done: make(chan struct{})}
	var err error
	if g.host.Mode == host.CgroupV2 {
		w.file, err = openWatched(filepath.Join(dir, "memory.events"))
		w.await = func(look func() bool) error { return awaitChange(w.file, look) }
	} else {
		w.file, err = oomEvents(dir)
		w.await = w.awaitEvents
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup: %s: watching who is killed for memory: %w", g.path, err)
	}
	return w, nil
}

// Next returns how many there were when another was killed. It fails when the group
// or the watch has ended.
func (w *OOMWatch) Next() (kills uint64, err error) {
	waited := w.await(func() bool {
		kills, err = w.group.OOMKills()
		return err != nil || kills > w.seen
	})
	w.seen = kills
	return kills, errors.Join(err, waited)
}

// Close ends the watch, and a Next that waits.
func (w *OOMWatch) Close() error {
	close(w.done)
	return w.file.Close()
}

// openWatched opens a file of a group whose changes can be waited for.
func openWatched(name string) (*os.File, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// awaitChange looks again at each change of a file of v2 until look sees what it wants.
func awaitChange(f *os.File, look func() bool) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(uintptr) bool { return look() })
	if err != nil {
		// That it was closed meanwhile, a raw read says by an error of its own, which no other
		// package can ask for.
		if _, gone := f.Stat(); errors.Is(gone, os.ErrClosed) {
			return gone
		}
	}
	return err
}

// oomEvents is a counter to which v1 adds whenever the group in dir has no memory left.
func oomEvents(dir string) (*os.File, error) {
	control, err := os.Open(filepath.Join(dir, "memory.oom_control"))
	if err != nil {
		return nil, err
	}
	defer control.Close()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	events := os.NewFile(uintptr(fd), "eventfd")
	asked := fmt.Sprintf("%d %d", fd, control.Fd())
	if err := os.WriteFile(filepath.Join(dir, "cgroup.event_control"), []byte(asked), 0); err != nil {
		return nil, errors.Join(err, events.Close())
	}
	return events, nil
}

// v1 tells before it kills: the kill is looked for a while.
const (
	killWithin = time.Second
	lookEvery  = 5 * time.Millisecond
)

// awaitEvents looks after each event of v1 until look sees what it wants.
func (w *OOMWatch) awaitEvents(look func() bool) error {
	for {
		if _, err := w.file.Read(make([]byte, 8)); err != nil {
			return err
		}
		for until := time.Now().Add(killWithin); time.Now().Before(until); {
			if look() {
				return nil
			}
			select {
			case <-w.done:
				return os.ErrClosed
			case <-time.After(lookEvery):
			}
		}
	}
}
