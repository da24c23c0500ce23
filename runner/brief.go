package runner

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"cove/errdefs"
	"cove/internal/dirwatch"
	"cove/internal/limit"
	"cove/internal/process"
	"cove/network"
	"cove/runner/life"
	"cove/runner/record"
)

// Brief is a container as lists show it: its config is record.Config.Brief, with the
// name that it was made with.
type Brief struct {
	Config record.Config
	Dir    record.Dir
	r      *Runner
	stamp  dirwatch.Stamp
	seen   *Look // when the directory was as it is; nil if it was not looked at
	broken error // why not all of it could be read
}

// Look is what lists show of a container besides its config.
type Look struct {
	State record.State
	// Asked is the network that the container asks for now, with its present name.
	Asked network.Config
	// Health is what its checks have told, "" without any.
	Health string

	monitor string // of one that runs: whose life says that it still does
}

// sights are what was seen of containers, for who lists them again: a server is asked
// every few seconds, and most containers are as they were.
type sights struct {
	mu sync.Mutex
	of map[record.Dir]sight
}

type sight struct {
	stamp  dirwatch.Stamp
	config record.Config
	look   *Look
}

// Briefs returns every container, newest first, without reading the whole of any. One
// that is removed meanwhile is left out.
func (r *Runner) Briefs(context.Context) ([]Brief, error) {
	found, err := r.ids()
	if err != nil {
		return nil, err
	}
	seen := r.seen.all()
	read, errs := make([]Brief, len(found)), make([]error, len(found))
	limit.ToCores(len(found), func(i int) {
		dir := record.Of(r.opts.Root, found[i])
		read[i] = Brief{Dir: dir, r: r, stamp: dirwatch.StampOf(string(dir))}
		if s, ok := seen[dir]; ok && s.stamp == read[i].stamp {
			read[i].Config, read[i].seen = s.config, s.look
			return
		}
		if read[i].Config, errs[i] = dir.Brief(); errors.Is(errs[i], errdefs.ErrCorrupt) {
			read[i].Config, _, read[i].broken = dir.Kept()
			errs[i] = nil
		}
	})
	all := make([]Brief, 0, len(found))
	for i, b := range read {
		switch {
		case errors.Is(errs[i], errdefs.ErrNotFound):
		case errs[i] != nil:
			return nil, errs[i]
		default:
			all = append(all, b)
		}
	}
	r.seen.keep(all)
	slices.SortFunc(all, func(a, b Brief) int { return b.Config.Created.Compare(a.Config.Created) })
	return all, nil
}

// all returns the sights.
func (s *sights) all() map[record.Dir]sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.of)
}

// keep forgets all containers but these.
func (s *sights) keep(all []Brief) {
	now := make(map[record.Dir]sight, len(all))
	for _, b := range all {
		if b.stamp != (dirwatch.Stamp{}) && b.broken == nil {
			now[b.Dir] = sight{b.stamp, b.Config, b.seen}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of = now
}

// Look looks at the container; with an error it is what could be seen of it. Where
// something is to be put right, it is read whole for it. What was seen before counts while
// the directory is as it was, and, of a container that runs, its monitor lives.
func (b Brief) Look(ctx context.Context) (Look, error) {
	if b.seen != nil {
		if b.seen.monitor == "" {
			return *b.seen, nil
		}
		if _, ok := process.Find(b.seen.monitor); ok {
			return *b.seen, nil
		}
	}
	l := Look{Asked: b.Config.Network}
	l.Asked.Name = b.Config.Name
	if b.broken != nil {
		return l, b.broken
	}
	var err error
	settled := false
	if l.State, settled, err = b.state(ctx); err != nil {
		return l, err
	}
	if l.Asked, err = b.Dir.AskedNetwork(b.Config); err != nil {
		return l, err
	}
	if b.Config.Health != nil && l.State.Alive() {
		if told, err := b.Dir.Health(); err == nil {
			l.Health = told.Status
		}
	}
	if l.State.Status == record.Running {
		l.monitor = b.Dir.Holder(record.MonitorLock)
		settled = settled && l.monitor != ""
	}
	if settled && b.stamp != (dirwatch.Stamp{}) && slices.Contains(steady, l.State.Status) {
		b.r.seen.add(b, l)
	}
	return l, nil
}

// steady are the states of which the directory, and the monitor's life, say all.
var steady = []record.Status{record.Created, record.Running, record.Exited}

func (s *sights) add(b Brief, l Look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[record.Dir]sight{}
	}
	s.of[b.Dir] = sight{b.stamp, b.Config, &l}
}

// state is Container.State.
func (b Brief) state(ctx context.Context) (st record.State, settled bool, err error) {
	st, settled, err = life.Of(b.r.life, b.Dir, b.Config, b.Config.Name).Peek(ctx)
	if err != nil || settled {
		return st, settled, err
	}
	c, err := b.r.load(b.Dir.ID())
	if err != nil {
		return st, false, err
	}
	st, err = c.State(ctx)
	return st, false, err
}
