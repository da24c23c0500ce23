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
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cove/internal/dirwatch"
)

// Options choose what Read writes.
type Options struct {
	// Tail is the number of last lines, counted before Since and Until; < 0
	// is everything. A line counts by its end.
	Tail int
	// Since and Until choose lines by the time of their first piece.
	Since, Until time.Time
	// Timestamps puts the time before each line, and Details the attributes that its
	// driver's options added, as docker writes them: a=1,b=2.
	Timestamps, Details bool
	// Follow goes on until it is closed, and then reads to the end; nil stops
	// at the end.
	Follow <-chan struct{}
}

// entry is one line of the file: a line of text, or a piece of one.
type entry struct {
	Log    string    `json:"log"`
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
	// Attrs are labels and variables of the container.
	Attrs map[string]string `json:"attrs"`
	// Raw is the text when it is not UTF-8, which Log cannot hold.
	Raw []byte `json:"raw"`
}

func (e entry) text() []byte {
	if e.Raw != nil {
		return e.Raw
	}
	return []byte(e.Log)
}

// Read writes a log's text to stdout and stderr, oldest first. A log that does
// not exist (yet) is empty.
func Read(ctx context.Context, path string, o Options, stdout, stderr io.Writer) error {
	p := &printer{o: o, stdout: stdout, stderr: stderr, lines: map[string]*line{}}
	files, err := openAll(path)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return err
	}
	var size int64 // of the newest file; what is written later is for who follows
	if len(files) > 0 {
		if size, err = files[len(files)-1].Seek(0, io.SeekEnd); err == nil {
			_, err = files[len(files)-1].Seek(0, io.SeekStart)
		}
		if err != nil {
			return fmt.Errorf("logs: %w", err)
		}
	}
	if o.Tail >= 0 && len(files) > 0 {
		if p.from, err = findTail(files, size, o.Tail); err != nil {
			return err
		}
		first := p.from.first()
		if _, err := files[first.file].Seek(first.at, io.SeekStart); err != nil {
			return fmt.Errorf("logs: %w", err)
		}
		p.file = first.file
	}
	for ; p.file < len(files)-1; p.file++ {
		if err := p.copy(ctx, files[p.file]); err != nil {
			return untilIsEnd(err)
		}
	}
	if o.Follow == nil && len(files) > 0 {
		return untilIsEnd(p.copyUpTo(ctx, files[p.file], size))
	}
	if o.Follow == nil {
		return nil
	}
	var last *os.File
	if len(files) > 0 {
		last = files[len(files)-1]
	}
	return untilIsEnd(p.follow(ctx, path, last))
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

type printer struct {
	o              Options
	stdout, stderr io.Writer
	file           int // how many files came before the one being read
	from           tail
	lines          map[string]*line // by stream
	rest           []byte           // an entry that is not completely written yet
}

// line is what is known of the line that a stream is in.
type line struct {
	open bool // more of it is to come
	skip bool // it was not chosen
}

// errUntil ends reading at Options.Until.
var errUntil = errors.New("until")

func untilIsEnd(err error) error {
	if errors.Is(err, errUntil) {
		return nil
	}
	return err
}

// copy prints from f's position to its end.
func (p *printer) copy(ctx context.Context, f *os.File) error {
	return p.copyUpTo(ctx, f, math.MaxInt64)
}

// copyUpTo prints from f's position to its end, or to what was that when it had size.
func (p *printer) copyUpTo(ctx context.Context, f *os.File, size int64) error {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	r := bufio.NewReaderSize(io.LimitReader(f, max(0, size-at)), 64<<10)
	at -= int64(len(p.rest))
	for ctx.Err() == nil {
		text, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
			p.rest = append(p.rest, text...)
			if err == io.EOF {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("logs: reading: %w", err)
		}
		if len(p.rest) > 0 {
			text = append(p.rest, text...)
			p.rest = nil
		}
		if err := p.print(text, place{p.file, at}); err != nil {
			return err
		}
		at += int64(len(text))
	}
	return ctx.Err()
}

// print writes one entry that begins at a place.
func (p *printer) print(text []byte, at place) error {
	var e entry
	if json.Unmarshal(bytes.TrimSuffix(text, []byte{'\n'}), &e) != nil {
		return nil //nolint:nilerr // half-written in a crash; the rest of the log is good
	}
	l := p.lines[e.Stream]
	if l == nil {
		l = &line{}
		p.lines[e.Stream] = l
	}
	begins := !l.open
	if begins {
		l.skip = !p.chosen(e, at)
	}
	out := e.text()
	l.open = !bytes.HasSuffix(out, []byte{'\n'})
	if !l.skip {
		if begins {
			out = append(p.before(e), out...)
		}
		if err := p.write(e.Stream, out); err != nil {
			return err
		}
	}
	if !p.o.Until.IsZero() && e.Time.After(p.o.Until) && !p.unfinished() {
		return errUntil
	}
	return nil
}

// before is what is asked for before the line that begins with an entry.
func (p *printer) before(e entry) (text []byte) {
	if p.o.Timestamps {
		text = append(e.Time.AppendFormat(text, timeFormat), ' ')
	}
	if !p.o.Details {
		return text
	}
	for i, key := range slices.Sorted(maps.Keys(e.Attrs)) {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, url.QueryEscape(key)+"="+url.QueryEscape(e.Attrs[key])...)
	}
	return append(text, ' ')
}

// timeFormat is RFC 3339 with all nine digits, as docker writes it: columns.
const timeFormat = "2006-01-02T15:04:05.000000000Z07:00"

// chosen reports whether the line that begins with an entry is to be printed.
func (p *printer) chosen(e entry, at place) bool {
	return !p.from.cuts(e.Stream, at) &&
		(p.o.Since.IsZero() || !e.Time.Before(p.o.Since)) && (p.o.Until.IsZero() || !e.Time.After(p.o.Until))
}

// unfinished reports whether a line that was chosen is not printed to its end.
func (p *printer) unfinished() bool {
	for _, l := range p.lines {
		if l.open && !l.skip {
			return true
		}
	}
	return false
}

func (p *printer) write(stream string, text []byte) error {
	w := p.stdout
	if stream == "stderr" {
		w = p.stderr
	}
	if w == nil {
		return nil
	}
	_, err := w.Write(text)
	return err
}

// follow prints what is appended, across rotations, until Follow is closed.
func (p *printer) follow(ctx context.Context, path string, f *os.File) error {
	watch, err := dirwatch.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	defer watch.Close()
	until := make(<-chan time.Time)
	if !p.o.Until.IsZero() {
		timer := time.NewTimer(time.Until(p.o.Until))
		defer timer.Stop()
		until = timer.C
	}
	ended := false
	for {
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
		case <-until:
			ended = true // what was written before the end is read first
		case <-ctx.Done():
			return ctx.Err()
		case <-watch.Changed:
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
			p.file++
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
