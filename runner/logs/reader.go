package logs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Options choose what Read writes.
type Options struct {
	// Tail is the number of last lines, counted before Since and Until; < 0
	// is everything.
	Tail         int
	Since, Until time.Time
	// Timestamps puts the time before each line.
	Timestamps bool
	// Follow goes on until it is closed, and then reads to the end; nil stops
	// at the end.
	Follow <-chan struct{}
}

// entry is one line of the file.
type entry struct {
	Log    string    `json:"log"`
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
}

// Read writes a log's text to stdout and stderr, oldest first. A log that does
// not exist (yet) is empty.
func Read(ctx context.Context, path string, o Options, stdout, stderr io.Writer) error {
	p := &printer{o: o, stdout: stdout, stderr: stderr}
	files, err := openAll(path)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return err
	}
	if o.Tail >= 0 {
		if files, err = seekTail(files, o.Tail); err != nil {
			return err
		}
	}
	for i, f := range files {
		if i == len(files)-1 && o.Follow != nil {
			break
		}
		if err := p.copy(ctx, f); err != nil {
			return err
		}
	}
	if o.Follow == nil {
		return nil
	}
	var last *os.File
	if len(files) > 0 {
		last = files[len(files)-1]
	}
	return p.follow(ctx, path, last)
}

// rotating is how long a rotation is waited for before what is seen of it is
// believed to be what a crash left.
const rotating = 100 * time.Millisecond

// openAll opens the rotated files and the log itself, oldest first. A rotation
// renames one file after the other, so while one goes on a file may be seen
// twice or not at all: then it looks again.
func openAll(path string) ([]*os.File, error) {
	for deadline := time.Now().Add(rotating); ; time.Sleep(time.Millisecond) {
		files, torn, err := openOnce(path)
		if err != nil || !torn || time.Now().After(deadline) {
			return files, err
		}
		for _, f := range files {
			f.Close()
		}
	}
}

// openOnce opens what there is. torn says that a rotation was seen half done:
// a name between two others was missing, or names changed their files.
func openOnce(path string) (files []*os.File, torn bool, err error) {
	var names []string
	for i, missing := 0, 0; missing < 2; i++ {
		f, err := os.Open(rotated(path, i))
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			continue
		}
		if err != nil {
			return files, false, fmt.Errorf("logs: %w", err)
		}
		torn = torn || missing > 0
		files, names = append(files, f), append(names, rotated(path, i))
	}
	for i, f := range files {
		have, err := f.Stat()
		if err != nil {
			return files, false, fmt.Errorf("logs: %w", err)
		}
		now, err := os.Stat(names[i])
		torn = torn || err != nil || !os.SameFile(have, now)
	}
	slices.Reverse(files)
	return files, torn, nil
}

// seekTail positions the files so that n entries remain, and returns those
// that are needed.
func seekTail(files []*os.File, n int) ([]*os.File, error) {
	for i := len(files) - 1; i >= 0; i-- {
		found, err := seekBack(files[i], n)
		if err != nil {
			return files, err
		}
		if n -= found; n <= 0 {
			return files[i:], nil
		}
	}
	return files, nil
}

// seekBack positions f before its last n lines and returns how many there are.
func seekBack(f *os.File, n int) (int, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	lines := 0
	for pos := end; pos > 0; {
		size := min(pos, int64(len(buf)))
		pos -= size
		if _, err := f.ReadAt(buf[:size], pos); err != nil {
			return 0, fmt.Errorf("logs: reading backwards: %w", err)
		}
		for i := size - 1; i >= 0; i-- {
			if buf[i] != '\n' || pos+i == end-1 {
				continue
			}
			if lines++; lines == n {
				_, err := f.Seek(pos+i+1, io.SeekStart)
				return n, err
			}
		}
	}
	if end > 0 {
		lines++
	}
	_, err = f.Seek(0, io.SeekStart)
	return lines, err
}

type printer struct {
	o              Options
	stdout, stderr io.Writer
	rest           []byte // an entry that is not wholly there yet
}

// errUntil ends reading at Options.Until.
var errUntil = errors.New("until")

// copy prints from f's position to its end.
func (p *printer) copy(ctx context.Context, f *os.File) error {
	r := bufio.NewReaderSize(f, 64<<10)
	for ctx.Err() == nil {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
			p.rest = append(p.rest, line...)
			if err == io.EOF {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("logs: reading: %w", err)
		}
		if len(p.rest) > 0 {
			line = append(p.rest, line...)
			p.rest = nil
		}
		if err := p.print(line); err != nil {
			if errors.Is(err, errUntil) {
				return nil
			}
			return err
		}
	}
	return ctx.Err()
}

func (p *printer) print(line []byte) error {
	var e entry
	if json.Unmarshal(bytes.TrimSuffix(line, []byte{'\n'}), &e) != nil {
		return nil //nolint:nilerr // torn by a crash: the rest of the log is still good
	}
	if !p.o.Since.IsZero() && e.Time.Before(p.o.Since) {
		return nil
	}
	if !p.o.Until.IsZero() && e.Time.After(p.o.Until) {
		return errUntil
	}
	w := p.stdout
	if e.Stream == "stderr" {
		w = p.stderr
	}
	if w == nil {
		return nil
	}
	if p.o.Timestamps {
		e.Log = e.Time.Format(time.RFC3339Nano) + " " + e.Log
	}
	_, err := io.WriteString(w, e.Log)
	return err
}

// follow prints what is appended, across rotations, until Follow is closed.
func (p *printer) follow(ctx context.Context, path string, f *os.File) error {
	watch, err := watchDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer watch.close()
	for {
		ended := false
		select {
		case <-p.o.Follow:
			ended = true
		default:
		}
		if f, err = p.advance(ctx, path, f); err != nil {
			return err
		}
		if ended {
			return nil
		}
		select {
		case <-p.o.Follow:
		case <-ctx.Done():
			return ctx.Err()
		case <-watch.changed:
		}
	}
}

// advance prints f to its end and, when the log was rotated meanwhile, the
// files after it. A log that went round further than it keeps has a gap.
func (p *printer) advance(ctx context.Context, path string, f *os.File) (*os.File, error) {
	for {
		if f != nil {
			if err := p.copy(ctx, f); err != nil {
				return f, err
			}
		}
		next, err := successor(path, f)
		if err != nil || next == nil {
			return f, err
		}
		if f != nil {
			// Between the last read and the rename, more may have come.
			if err := p.copy(ctx, f); err != nil {
				next.Close()
				return f, err
			}
			f.Close()
		}
		f = next
	}
}

// successor opens the file that follows f in the rotation, nil if f is the newest.
func successor(path string, f *os.File) (*os.File, error) {
	files, err := openAll(path)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	at := -1
	if f != nil {
		have, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("logs: %w", err)
		}
		for i, c := range files {
			if info, err := c.Stat(); err == nil && os.SameFile(have, info) {
				at = i
			}
		}
	}
	var next *os.File
	for i, c := range files {
		if i == at+1 {
			next = c
		} else {
			c.Close()
		}
	}
	return next, nil
}

// watcher tells of changes in a directory.
type watcher struct {
	file    *os.File
	changed chan struct{}
	done    chan struct{}
}

func watchDir(dir string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("logs: watching: %w", err)
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("logs: watching %s: %w", dir, err)
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "inotify"), changed: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		buf := make([]byte, 4096)
		for {
			if _, err := w.file.Read(buf); err != nil {
				return
			}
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	}()
	return w, nil
}

func (w *watcher) close() {
	w.file.Close()
	<-w.done
}
