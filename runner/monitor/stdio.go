package monitor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// pollable is a terminal's master that waits in Go's poller; f is closed.
func pollable(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("monitor: duplicating the terminal: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("monitor: terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), "terminal"), nil
}

// stdio are the container's ends of its streams, nil with a terminal.
type stdio struct{ in, out, err *os.File }

func (s stdio) close() {
	for _, f := range []*os.File{s.in, s.out, s.err} {
		if f != nil {
			f.Close()
		}
	}
}
