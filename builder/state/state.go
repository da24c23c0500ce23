// Package state is what builds leave in their directory: the cache's records,
// the stat cache, cache mounts. It is apart from package builder so that who
// only collects or removes it links no parser of Dockerfiles.
package state

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cove/builder/cache"
	"cove/builder/cachemount"
	"cove/builder/history"
	"cove/builder/kept"
	"cove/errdefs"
	"cove/internal/process"
)

// State is a builder's directory. It may be removed when no build runs.
type State struct {
	dir string
	now func() time.Time
}

// Open returns the state in a directory, which need not be there; now is the
// clock.
func Open(dir string, now func() time.Time) *State { return &State{dir: dir, now: now} }

// Records are the cache's.
func (s *State) Records() *cache.Store { return cache.Open(filepath.Join(s.dir, "records"), s.now) }

// Contexts are what clients sent, kept for their next builds.
func (s *State) Contexts() *kept.Store { return kept.Open(filepath.Join(s.dir, "contexts"), s.now) }

// Inventories is the directory of what layers say of the software in them.
func (s *State) Inventories() string { return filepath.Join(s.dir, "inventories") }

// Roots visits what the build cache needs kept: digests of blobs, and
// snapshots as "snapshot/CHAINID".
func (s *State) Roots(ctx context.Context) iter.Seq2[string, error] { return s.Records().Roots(ctx) }

// staleAfter is a unit of how long what helps later builds is kept unused.
const staleAfter = 24 * time.Hour

// Prune removes records of the cache, and what killed builds left behind. With
// keep.Nothing the cache mounts that no build uses go too, and contexts of clients
// stay where records leave room for them. The blobs and snapshots of removed records go
// with the next garbage collection; contexts are the bytes that went here.
func (s *State) Prune(ctx context.Context, keep cache.Keep) (contexts int64, err error) {
	if _, _, err := s.Records().Prune(ctx, keep); err != nil {
		return 0, err
	}
	contexts, err = s.pruneContexts(ctx, keep)
	if err != nil {
		return contexts, err
	}
	unused := func(info fs.FileInfo) bool { return keep.Nothing || s.now().Sub(info.ModTime()) > 30*staleAfter }
	err = errors.Join(
		remove(filepath.Join(s.dir, "tmp"), abandoned("")),
		remove(s.dir, abandoned("context-")),
		history.Store{Dir: filepath.Join(s.dir, "history")}.Sweep(),
		remove(filepath.Join(s.dir, "stat"), unused),
		remove(filepath.Join(s.dir, "traces"), unused),
		remove(s.Inventories(), unused),
	)
	if keep.Nothing {
		err = errors.Join(err, cachemount.Prune(s.dir))
	}
	return contexts, err
}

// pruneContexts removes contexts, which are had again more cheaply than what steps made.
func (s *State) pruneContexts(ctx context.Context, keep cache.Keep) (int64, error) {
	room := keep.Bytes
	if room > 0 {
		size, err := s.Records().Size(ctx)
		if err != nil {
			return 0, err
		}
		room -= size
	}
	return s.Contexts().Prune(func(e kept.Entry) bool {
		room -= e.Bytes
		old := keep.Age > 0 && s.now().Sub(e.Used) > keep.Age
		return keep.Nothing || old || keep.Bytes > 0 && room < 0
	})
}

// abandoned finds what a build that was killed left: after the prefix, a name
// tells whose it is.
func abandoned(prefix string) func(fs.FileInfo) bool {
	return func(info fs.FileInfo) bool {
		tag, ok := strings.CutPrefix(info.Name(), prefix)
		tag, _, _ = strings.Cut(tag, "-")
		return ok && process.TagEnded(tag)
	}
}

// remove removes the chosen entries of dir.
func remove(dir string, chosen func(fs.FileInfo) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if info, err := e.Info(); err == nil && chosen(info) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
