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

// Inventories is the directory of what layers say of the software in them.
func (s *State) Inventories() string { return filepath.Join(s.dir, "inventories") }

// Roots visits what the build cache needs kept: digests of blobs, and
// snapshots as "snapshot/CHAINID".
func (s *State) Roots(ctx context.Context) iter.Seq2[string, error] { return s.Records().Roots(ctx) }

// staleAfter is a unit of how long what helps later builds is kept unused.
const staleAfter = 24 * time.Hour

// Prune removes records of the cache, and what killed builds left behind. With
// keep.Nothing the cache mounts that no build uses go too. The blobs and
// snapshots of removed records go with the next garbage collection.
func (s *State) Prune(ctx context.Context, keep cache.Keep) (records int, bytes int64, err error) {
	records, bytes, err = s.Records().Prune(ctx, keep)
	if err != nil {
		return records, bytes, err
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
	return records, bytes, err
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
