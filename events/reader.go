package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"cove/internal/dirwatch"
	"cove/internal/leanjson"
)

// Options choose what a Reader reads.
type Options struct {
	// Since begins with what happened then; zero, without an Until, with what happens
	// from now on, and else with the oldest that is kept.
	Since time.Time
	// Until ends the reader; zero never does.
	Until time.Time
}

// maxBehind is how many files a reader holds open that it has not read, which are on
// the disk for as long.
const maxBehind = 16

// Reader gives events one after the other, and waits for those that are to come. It
// is for one goroutine.
type Reader struct {
	log   Log
	o     Options
	watch *dirwatch.Watcher
	file  *os.File // nil until the log has one
	rest  []byte   // read, and not given yet

	// Files are opened as they are begun, and not when their turn comes: the log keeps
	// two, and whoever reads slowly would find that one is gone.
	mu     sync.Mutex
	queue  []*os.File    // opened, to be read after file
	newest os.FileInfo   // of the one that was opened last
	err    error         // of opening
	opened chan struct{} // has a value after something changed
	stop   chan struct{}
	done   chan struct{}
}

// Read returns a Reader that misses nothing that happens after this call. Close it.
func (l Log) Read(o Options) (*Reader, error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("events: %w", err)
	}
	watch, err := dirwatch.Open(l.dir)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	r := &Reader{
		log: l, o: o, watch: watch,
		opened: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	err = r.open()
	go r.keepUp()
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// open takes the place where reading begins.
func (r *Reader) open() (err error) {
	if !r.o.Since.IsZero() || !r.o.Until.IsZero() {
		return r.follow()
	}
	if r.file, err = openIf(r.log.file()); err != nil || r.file == nil {
		return err
	}
	if r.newest, err = r.file.Stat(); err == nil {
		_, err = r.file.Seek(0, io.SeekEnd)
	}
	return err
}

// keepUp opens the files that are begun until the reader is closed.
func (r *Reader) keepUp() {
	defer close(r.done)
	for {
		select {
		case <-r.stop:
			return
		case <-r.watch.Changed:
		}
		r.mu.Lock()
		if r.err == nil { // one that is too far behind opens no more
			r.err = r.follow()
		}
		r.mu.Unlock()
		select {
		case r.opened <- struct{}{}:
		default:
		}
	}
}

// openIf opens a file; nil if it is not there.
func openIf(name string) (*os.File, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return f, nil
}

// follow queues what comes after the file that was opened last: nothing while that is
// the newest. The newer is opened first, so that a rotation in between shows as one
// file under both names.
func (r *Reader) follow() error {
	newest, err := r.openNew(r.log.file(), r.newest)
	if err != nil || newest == nil {
		return err
	}
	info, err := newest.Stat()
	if err != nil {
		newest.Close()
		return fmt.Errorf("events: %w", err)
	}
	older, err := r.openNew(r.log.older(), r.newest, info)
	if err != nil {
		newest.Close()
		return err
	}
	if older != nil {
		r.queue = append(r.queue, older)
	}
	r.queue, r.newest = append(r.queue, newest), info
	if len(r.queue) > maxBehind {
		return fmt.Errorf("events: the reader is %d MiB behind what happens, too far to catch up",
			(len(r.queue)-1)*maxFile>>20)
	}
	return nil
}

// openNew opens a file unless it is not there, or is one of those.
func (r *Reader) openNew(name string, not ...os.FileInfo) (*os.File, error) {
	f, err := openIf(name)
	if err != nil || f == nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("events: %w", err)
	}
	for _, other := range not {
		if other != nil && os.SameFile(info, other) {
			return nil, f.Close()
		}
	}
	return f, nil
}

// Next returns the next event, and io.EOF after Options.Until.
func (r *Reader) Next(ctx context.Context) (Event, error) {
	until := make(<-chan time.Time)
	if !r.o.Until.IsZero() {
		timer := time.NewTimer(time.Until(r.o.Until))
		defer timer.Stop()
		until = timer.C
	}
	for ended := false; ; {
		e, ok, err := r.read()
		switch {
		case err != nil:
			return e, err
		case ok && !r.o.Until.IsZero() && e.Time.After(r.o.Until):
			return Event{}, io.EOF
		case ok && e.Time.Before(r.o.Since):
			continue
		case ok:
			return e, nil
		case ended:
			return Event{}, io.EOF
		}
		select {
		case <-ctx.Done():
			return Event{}, ctx.Err()
		case <-until:
			ended = true // what was written before is read first
		case <-r.opened:
		}
	}
}

// read returns the next record; ok is false when there is none yet.
func (r *Reader) read() (e Event, ok bool, err error) {
	for {
		for {
			line, rest, whole := bytes.Cut(r.rest, []byte{'\n'})
			if !whole {
				break
			}
			r.rest = rest
			// What is before the last separator was torn.
			line = line[bytes.LastIndexByte(line, separator)+1:]
			if e = (Event{}); leanjson.Unmarshal(line, &e) == nil && e.Type != "" {
				return e, true, nil
			}
		}
		more, err := r.fill()
		if err != nil || !more {
			return e, false, err
		}
	}
}

// fill reads on; more is false at the end of what there is.
func (r *Reader) fill() (more bool, err error) {
	buf := make([]byte, 64<<10)
	for ended := false; ; {
		if r.file != nil {
			n, err := r.file.Read(buf)
			if n > 0 {
				r.rest = append(bytes.Clone(r.rest), buf[:n]...)
				if len(r.rest) > 2*maxRecord { // no record is so long: it was torn
					r.rest = nil
				}
				return true, nil
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return false, fmt.Errorf("events: reading: %w", err)
			}
		}
		if more, err := r.hasNext(); err != nil || !more {
			return false, err
		}
		if r.file != nil && !ended {
			ended = true
			continue // between the last read and the rename, more may have come
		}
		r.advance()
		ended = false
	}
}

// hasNext tells whether a file comes after this one.
func (r *Reader) hasNext() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 && r.err == nil {
		r.err = r.follow()
	}
	return len(r.queue) > 0, r.err
}

// advance goes to the next file.
func (r *Reader) advance() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.queue, r.rest = r.queue[0], r.queue[1:], nil
}

// Close ends the reader.
func (r *Reader) Close() error {
	close(r.stop)
	<-r.done
	r.watch.Close()
	for _, f := range append(r.queue, r.file) {
		if f != nil {
			f.Close()
		}
	}
	return nil
}
