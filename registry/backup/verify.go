package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/registry/db/dump"
	"cove/registry/metadata"
)

// Verify reads a whole backup: what it has must be what its digests say, and what
// its database needs must be there. found is told of everything that is not so.
func Verify(ctx context.Context, from Reader, found func(error)) (s Summary, err error) {
	dir, err := os.MkdirTemp("", "registry-verify-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, databaseName)
	if err := from.Database(ctx, file); err != nil {
		return s, err
	}
	if err := dump.Check(ctx, file); err != nil {
		return s, err
	}
	seen := map[digest.Digest]int64{}
	s, err = from.Rest(ctx, func(File) error { return nil }, func(desc ocispec.Descriptor, r io.Reader) error {
		switch _, err := io.Copy(io.Discard, r); {
		case errors.Is(err, errdefs.ErrCorrupt):
			seen[desc.Digest] = -1
			found(fmt.Errorf("damaged  %w", err))
			return nil
		case err != nil:
			return err
		}
		seen[desc.Digest] = desc.Size
		return ctx.Err()
	})
	if err != nil {
		return s, err
	}
	return s, compare(ctx, file, seen, found)
}

func compare(ctx context.Context, file string, seen map[digest.Digest]int64, found func(error)) (err error) {
	m, err := metadata.Open(ctx, metadata.Config{DSN: file})
	if err != nil {
		return err
	}
	defer closeBoth(&err, m)
	for last := digest.Digest(""); ; {
		page, err := m.Stored(ctx, last, pageSize)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, st := range page {
			switch size, ok := seen[st.Digest]; {
			case !ok:
				found(fmt.Errorf("missing  %s", content.BlobName(st.Digest)))
			case size >= 0 && size != st.Size:
				found(fmt.Errorf("damaged  %s: it has %d bytes and should have %d", content.BlobName(st.Digest), size,
					st.Size))
			}
		}
		last = page[len(page)-1].Digest
	}
}
