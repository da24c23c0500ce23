package tarball

import (
	"archive/tar"
	"io"
	"strings"

	"cove/errdefs"
	"cove/layers/whiteout"
)

// NameCheck reads the names in a tar archive that goes by, beside whoever takes
// its bytes.
type NameCheck struct {
	io.Reader
	copied *io.PipeWriter
	found  chan error
}

// CheckNames looks for names that mean a deletion in a layer. In the tar of a
// root filesystem they are files, which a layer cannot hold: they would be gone.
func CheckNames(archive io.Reader) *NameCheck {
	pr, pw := io.Pipe()
	c := &NameCheck{Reader: io.TeeReader(archive, pw), copied: pw, found: make(chan error, 1)}
	go func() {
		c.found <- deletions(tar.NewReader(pr))
		_, _ = io.Copy(io.Discard, pr) // the rest, which is for the other reader
	}()
	return c
}

// End says what was found, once the archive has been read.
func (c *NameCheck) End() error {
	_ = c.copied.Close() // a pipe's never fails
	return <-c.found
}

// deletions leaves it to who unpacks the archive to say that it is broken.
func deletions(tr *tar.Reader) error {
	for {
		hdr, err := tr.Next()
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		if strings.Contains("/"+hdr.Name, "/"+whiteout.Prefix) {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"%q: a name that begins with %s marks a deleted file in a layer and cannot be in an image",
				hdr.Name, whiteout.Prefix)
		}
	}
}
