package fsstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/errdefs"
)

// Foreign implements content.Inspector.
func (s *Store) Foreign(ctx context.Context) iter.Seq2[content.Foreign, error] {
	return func(yield func(content.Foreign, error) bool) {
		dirs := []string{"blobs"}
		for _, alg := range algorithms() {
			dirs = append(dirs, "blobs/"+alg.String())
		}
		for _, dir := range dirs {
			for e, err := range s.entries(ctx, dir) {
				if err != nil {
					yield(content.Foreign{}, err)
					return
				}
				if f, odd := foreign(dir, e); odd && !yield(f, nil) {
					return
				}
			}
		}
	}
}

// foreign says whether an entry of a folder was not made by a store.
func foreign(dir string, e fs.DirEntry) (content.Foreign, bool) {
	f := content.Foreign{Name: dir + "/" + e.Name()}
	if dir == "blobs" {
		f.Reason = kindOf(e.Type()) + " where only folders of blobs are"
		return f, !e.IsDir() || !slices.Contains(algorithms(), digest.Algorithm(e.Name()))
	}
	dgst := digest.NewDigestFromEncoded(digest.Algorithm(path.Base(dir)), e.Name())
	if dgst.Validate() != nil {
		f.Reason = kindOf(e.Type()) + " whose name is no digest"
		return f, true
	}
	f.Digest, f.Reason = dgst, kindOf(e.Type())+" in place of a blob"
	return f, !e.Type().IsRegular()
}

// RemoveForeign implements content.Inspector.
func (s *Store) RemoveForeign(_ context.Context, f content.Foreign) error {
	if !strings.HasPrefix(f.Name, "blobs/") || path.Clean(f.Name) != f.Name {
		return errdefs.Errorf(errdefs.ErrInvalid, "%q is no name among the blobs", f.Name)
	}
	return diskError(f.Name, s.root.RemoveAll(f.Name))
}

// entries lists a directory in portions, so that a store of a million blobs is
// not a list in memory. What is no directory has none.
func (s *Store) entries(ctx context.Context, name string) iter.Seq2[fs.DirEntry, error] {
	return func(yield func(fs.DirEntry, error) bool) {
		if fi, err := s.root.Lstat(name); errors.Is(err, fs.ErrNotExist) || err == nil && !fi.IsDir() {
			return
		}
		dir, err := s.root.Open(name)
		if err != nil {
			yield(nil, fmt.Errorf("listing blobs: %w", err))
			return
		}
		defer dir.Close()
		for {
			found, err := dir.ReadDir(1024)
			for _, e := range found {
				if ctx.Err() != nil {
					yield(nil, ctx.Err())
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("listing blobs: %w", err))
				return
			}
		}
	}
}
