// Package shortage tells of processes of a container that the kernel killed for want of
// memory when that happens: the container may go on without them.
package shortage

import (
	"sync"

	"cove/sandbox/cgroup"
)

// Watch is of one container. The group counts kills of any process in it, not only of PID 1.
type Watch struct {
	group *cgroup.Group
	tell  func(first bool)
	watch *cgroup.OOMWatch // nil where memory is not counted
	done  sync.WaitGroup
	told  uint64
}

// Begin has tell called whenever there were more kills, by one caller at a time.
func Begin(g *cgroup.Group, tell func(first bool)) *Watch {
	w := &Watch{group: g, tell: tell}
	var err error
	if w.watch, err = g.WatchOOM(); err != nil {
		w.watch = nil // the count at the end is what is left
		return w
	}
	w.done.Go(func() {
		for {
			kills, err := w.watch.Next()
			if err != nil {
				return
			}
			w.more(kills)
		}
	})
	return w
}

func (w *Watch) more(kills uint64) {
	if kills > w.told {
		w.tell(w.told == 0)
		w.told = kills
	}
}

// End tells of the last kills; after it nothing is told.
func (w *Watch) End() {
	if w.watch != nil {
		_ = w.watch.Close() // an eventfd, or a file that was read
		w.done.Wait()
	}
	if kills, err := w.group.OOMKills(); err == nil {
		w.more(kills)
	}
}
