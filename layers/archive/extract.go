package archive

import (
	"context"
	"io"

	"cove/errdefs"
)

// Extract writes the tar stream r (uncompressed: see package compress) into
// the directory dir, which must exist. Entries replace what is there, except
// that a directory merges with a directory. An archive that breaks a limit is
// errdefs.ErrExhausted, one that is malformed errdefs.ErrInvalid; every error
// names the entry.
func Extract(ctx context.Context, dir string, r io.Reader, opt Options) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "archive: extract %s: not wired yet", dir)
}
