// Package dirwatch tells that something in a directory changed: a file was written
// to, made, or renamed to a name in it.
package dirwatch

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// interval is how often somebody looks who may not watch: a user can have 128
// watchers, unless fs.inotify.max_user_instances says otherwise.
const interval = 100 * time.Millisecond

// Watcher watches one directory. Close ends it.
type Watcher struct {
	// Changed has a value after one change or several. When the kernel has no
	// watchers left it has one now and then.
	Changed <-chan struct{}
	file    *os.File // nil without a watcher of the kernel
	stop    chan struct{}
	done    chan struct{}
}

// Open watches a directory, which is there.
func Open(dir string) (*Watcher, error) {
	file, err := inotify(dir)
	if err != nil && !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENOSPC) {
		return nil, fmt.Errorf("watching %s: %w", dir, err)
	}
	changed := make(chan struct{}, 1)
	w := &Watcher{Changed: changed, file: file, stop: make(chan struct{}), done: make(chan struct{})}
	await := w.tick
	if file != nil {
		await = w.read
	}
	go func() {
		defer close(w.done)
		for await() {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	return w, nil
}

func inotify(dir string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}

// read waits for changes; false is the end.
func (w *Watcher) read() bool {
	_, err := w.file.Read(make([]byte, 4096))
	return err == nil
}

// tick waits a while; false is the end.
func (w *Watcher) tick() bool {
	select {
	case <-time.After(interval):
		return true
	case <-w.stop:
		return false
	}
}

// Close ends the watch.
func (w *Watcher) Close() {
	close(w.stop)
	if w.file != nil {
		w.file.Close()
	}
	<-w.done
}
