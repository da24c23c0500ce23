package buildctx

import (
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// file is a regular file, open for reading. An os.File that is opened without
// blocking asks the kernel whether it can be polled, which a regular file never
// can: two system calls of the seven that a file of a context takes.
type file struct {
	fd   int
	path string
}

func (f *file) Read(p []byte) (int, error) {
	n, err := retry(func() (int, error) { return unix.Read(f.fd, p) })
	switch {
	case err != nil:
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: err}
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Seek implements io.Seeker.
func (f *file) Seek(offset int64, whence int) (int64, error) { return unix.Seek(f.fd, offset, whence) }

// fate is what became of a file since the tree looked at it.
type fate int

const (
	still   fate = iota // the same inode, size and times
	grown               // more was written, perhaps only behind what it had
	altered             // anything else
)

func (f *file) since(e *Entry) (fate, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return altered, FileError(e.Path, err)
	}
	now := newEntry(e.Path, &st)
	switch {
	case now.Ino != e.Ino || now.Size < e.Size:
		return altered, nil
	case now.Size > e.Size:
		return grown, nil
	case now.mtime != e.mtime || now.ctime != e.ctime:
		return altered, nil
	}
	return still, nil
}

func (f *file) Close() error { return unix.Close(f.fd) }
