package archive

import (
	"archive/tar"
	"context"
	"io"

	"cove/errdefs"
)

// Writer writes a tar stream whose headers depend on nothing but the entries:
// no user names, no access or change times, PAX records only where the ustar
// form cannot say it.
type Writer struct {
	tw  *tar.Writer
	opt PackOptions
}

// NewWriter returns a Writer to w. Close it to end the archive.
func NewWriter(w io.Writer, opt PackOptions) *Writer {
	return &Writer{tw: tar.NewWriter(w), opt: opt}
}

// Add writes one entry: its header, made deterministic, and for a regular file
// exactly hdr.Size bytes of body, which may be nil when that is zero. xattrs go
// into hdr.PAXRecords with the prefix [XattrPrefix].
func (w *Writer) Add(hdr *tar.Header, body io.Reader) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "archive: add %s: not wired yet", hdr.Name)
}

// Close ends the archive. The writer below is not closed.
func (w *Writer) Close() error { return w.tw.Close() }

// XattrPrefix is the PAX key prefix of an extended attribute.
const XattrPrefix = "SCHILY.xattr."

// Pack writes the tree at dir to w, names sorted, hard links within it kept,
// sockets left out.
func Pack(ctx context.Context, w io.Writer, dir string, opt PackOptions) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "archive: pack %s: not wired yet", dir)
}
