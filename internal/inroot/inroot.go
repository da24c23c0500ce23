// Package inroot opens files below a directory that no name and no link leads out of.
package inroot

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Open is openat2(2) of a name below the directory root, with Resolve. Whatever is renamed or
// mounted anywhere on the machine while the kernel follows a ".." ends the call in EAGAIN, as
// it cannot tell then whether that led out: on a busy machine it is asked again.
func Open(root int, name string, how unix.OpenHow) (int, error) {
	return again(func() (int, error) { return unix.Openat2(root, name, &how) })
}

// tries are enough for hundreds of mounts in a row, and end one day.
const tries = 1000

func again(call func() (int, error)) (fd int, err error) {
	for range tries {
		fd, err = call()
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			break
		}
	}
	return fd, err
}
