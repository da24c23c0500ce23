package s3store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// inMemory is up to which size a spool needs no file: most manifests and configs.
const inMemory = 64 << 10

// spool holds bytes on their way: in memory while they are few, and then in a file
// that has no name and so never outlives its process.
type spool struct {
	dir  string
	mem  []byte
	f    *os.File
	size int64
}

func (s *spool) Write(p []byte) (n int, err error) {
	switch {
	case s.f == nil && s.size+int64(len(p)) <= inMemory:
		s.mem = append(s.mem, p...)
		n = len(p)
	case s.f == nil:
		if s.f, err = unnamed(s.dir); err == nil {
			_, err = s.f.Write(s.mem)
		}
		if err != nil {
			return 0, errors.Join(spoolError(err), s.Close())
		}
		s.mem = nil
		fallthrough
	default:
		n, err = s.f.Write(p)
	}
	s.size += int64(n)
	return n, spoolError(err)
}

func unnamed(dir string) (*os.File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	f, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err == nil || !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) {
		return f, err
	}
	// Some file systems make no file without a name.
	if f, err = os.CreateTemp(dir, "spool-"); err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

func spoolError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return errdefs.Errorf(errdefs.ErrExhausted, "bytes on their way to the storage: the disk is full: %w", err)
	}
	return fmt.Errorf("bytes on their way to the storage: %w", err)
}

// reader reads all of it from the start.
func (s *spool) reader() io.ReadSeeker {
	if s.f == nil {
		return bytes.NewReader(s.mem)
	}
	return io.NewSectionReader(s.f, 0, s.size)
}

// Close frees the bytes.
func (s *spool) Close() error {
	f := s.f
	s.mem, s.f, s.size = nil, nil, 0
	if f == nil {
		return nil
	}
	return f.Close()
}
