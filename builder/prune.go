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
)

// Roots visits what the build cache needs kept: digests of blobs, and
// snapshots as "snapshot/CHAINID".
func (b *Builder) Roots(ctx context.Context) iter.Seq2[string, error] { return b.records().Roots(ctx) }

// Prune says what to keep of the build cache.
type Prune = cache.Keep

// staleAfter is how old what a killed build left must be to be removed.
const staleAfter = 24 * time.Hour

// Prune removes records of the cache, and what killed builds left behind. With
// keep.Nothing the cache mounts that no build uses go too. The blobs and
// snapshots of removed records go with the next garbage collection.
func (b *Builder) Prune(ctx context.Context, keep Prune) (records int, bytes int64, err error) {
	records, bytes, err = b.records().Prune(ctx, keep)
	if err != nil {
		return records, bytes, err
	}
	old := func(info fs.FileInfo) bool { return b.cfg.Now().Sub(info.ModTime()) > staleAfter }
	unused := func(info fs.FileInfo) bool { return keep.Nothing || b.cfg.Now().Sub(info.ModTime()) > 30*staleAfter }
	err = errors.Join(
		removeOld(filepath.Join(b.cfg.Root, "tmp"), "", old),
		removeOld(b.cfg.Root, "context-", old),
		removeOld(filepath.Join(b.cfg.Root, "stat"), "", unused),
		removeOld(filepath.Join(b.cfg.Root, "traces"), "", unused),
	)
	if keep.Nothing {
		err = errors.Join(err, cachemount.Prune(b.cfg.Root))
	}
	return records, bytes, err
}

// removeOld removes the entries of dir that begin with prefix and are old.
func removeOld(dir, prefix string, old func(fs.FileInfo) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), prefix) && old(info) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
