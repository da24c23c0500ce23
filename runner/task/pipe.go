package task

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Pipe returns a pipe whose ours end waits in Go's poller, and whose theirs end
// blocks, as programs expect of their standard streams.
func Pipe(weRead bool) (ours, theirs *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("runner: making a pipe: %w", err)
	}
	if !weRead {
		fds[0], fds[1] = fds[1], fds[0]
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("runner: making a pipe: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}
