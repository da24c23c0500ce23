// Package rawmode lends this program's terminal to something that has one of its own.
package rawmode

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Begin makes the terminal in raw, and tells the size of the terminal out, now and
// whenever it changes, until restore.
func Begin(in, out int) (sizes <-chan unix.Winsize, restore func(), err error) {
	old, err := term.MakeRaw(in)
	if err != nil {
		return nil, nil, err
	}
	sizes, stop := watch(out)
	return sizes, func() {
		stop()
		_ = term.Restore(in, old) // nothing is left to try
	}, nil
}

// watch tells the size of a terminal.
func watch(fd int) (sizes <-chan unix.Winsize, stop func()) {
	to := make(chan unix.Winsize, 1)
	changed, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(changed, unix.SIGWINCH)
	go func() {
		for {
			if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil {
				select {
				case to <- *size:
				case <-done:
					return
				}
			}
			select {
			case <-changed:
			case <-done:
				return
			}
		}
	}()
	return to, func() {
		signal.Stop(changed)
		close(done)
	}
}
