package builder

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
	"cove/errdefs"
	"cove/internal/process"
)

// Roots visits what the build cache needs kept: digests of blobs, and
// snapshots as "snapshot/CHAINID".
func (b *Builder) Roots(ctx context.Context) iter.Seq2[string, error] { return b.records().Roots(ctx) }

// Prune says what to keep of the build cache.
type Prune = cache.Keep

// staleAfter is a unit of how long what helps later builds is kept unused.
const staleAfter = 24 * time.Hour

// Prune removes records of the cache, and what killed builds left behind. With
// keep.Nothing the cache mounts that no build uses go too. The blobs and
// snapshots of removed records go with the next garbage collection.
func (b *Builder) Prune(ctx context.Context, keep Prune) (records int, bytes int64, err error) {
	records, bytes, err = b.records().Prune(ctx, keep)
	if err != nil {
		return records, bytes, err
	}
	unused := func(info fs.FileInfo) bool { return keep.Nothing || b.cfg.Now().Sub(info.ModTime()) > 30*staleAfter }
	err = errors.Join(
		remove(filepath.Join(b.cfg.Root, "tmp"), abandoned("")),
		remove(b.cfg.Root, abandoned("context-")),
		remove(filepath.Join(b.cfg.Root, "stat"), unused),
		remove(filepath.Join(b.cfg.Root, "traces"), unused),
	)
	if keep.Nothing {
		err = errors.Join(err, cachemount.Prune(b.cfg.Root))
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
