package record

import (
	"errors"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"
)

// buffers are what files are read into: lists read five of each container.
var buffers = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}

// readFile calls use with what is in a file. The bytes are another's when use returns.
// It asks the kernel a third of what os.ReadFile does, which readies files for poll(2).
func readFile(path string, use func(data []byte) error) error {
	fd, err := retried(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	n := 0
	for {
		if n == len(*buf) {
			*buf = append(*buf, make([]byte, n)...)
		}
		got, err := retried(func() (int, error) { return unix.Read(fd, (*buf)[n:]) })
		switch {
		case err != nil:
			return &fs.PathError{Op: "read", Path: path, Err: err}
		case got == 0:
			return use((*buf)[:n])
		}
		n += got
	}
}

// retried calls again what a signal interrupted.
func retried(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
