package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"

	"cove/errdefs"
)

// Sizes are links as records are: ROOT/sizes/KEY leads to the number of bytes. They
// are apart from the records because a layer that is packed only has a size too.

func (s *Store) sizePath(key string) string { return filepath.Join(s.root, "sizes", escape(key)) }

// SetSize implements snapshot.Sizer. What a key names has one size for ever,
// so one that is there stays.
func (s Shared) SetSize(_ context.Context, key string, bytes int64) error {
	if err := checkKey(key); err != nil {
		return err
	}
	path := s.keys.sizePath(key)
	err := os.Symlink(strconv.FormatInt(bytes, 10), path)
	if errors.Is(err, fs.ErrNotExist) { // the root is older than sizes
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = os.Symlink(strconv.FormatInt(bytes, 10), path)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("snapshot %q: its size: %w", key, err)
	}
	return nil
}

// Size implements snapshot.Sizer.
func (s Shared) Size(_ context.Context, key string) (int64, error) {
	text, err := os.Readlink(s.keys.sizePath(key))
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrNotFound, "snapshot %q: its size is not known", key)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, errdefs.Errorf(errdefs.ErrCorrupt, "snapshot %q: its size %q is damaged", key, text)
	}
	return n, nil
}

// Sizes implements snapshot.Sizer.
func (s Shared) Sizes(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		names, err := os.ReadDir(filepath.Join(s.keys.root, "sizes"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield("", fmt.Errorf("snapshots: %w", err))
			return
		}
		for _, name := range names {
			key, err := unescape(name.Name())
			if err != nil {
				continue // not ours
			}
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(key, nil) {
				return
			}
		}
	}
}

// DropSize implements snapshot.Sizer.
func (s Shared) DropSize(_ context.Context, key string) error {
	if err := os.Remove(s.keys.sizePath(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("snapshot %q: its size: %w", key, err)
	}
	return nil
}
