// Package logs keeps what containers print, in docker's json-file format: one
// JSON object per line with the text, its stream and its time. A [Writer]
// rotates; [Read] reads across rotations, from the end, or following.
package logs

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"cove/runner/logs/ship"
)

// The defaults of a Writer.
const (
	DefaultMaxSize = 10 << 20
	DefaultMaxFile = 3
)

// maxText is the longest text of one entry; a longer line becomes several, of
// which only the last ends in a newline. It bounds memory, and is docker's.
// Text that is not UTF-8 is kept exactly in one more field, "raw", in base64,
// which docker's readers pass over.
const maxText = 16 << 10

// Writer appends to a log. It is safe for concurrent use; one stream's text
// should come from one goroutine. It holds at most maxText bytes per stream.
type Writer struct {
	mu      sync.Mutex
	path    string
	maxSize int64
	maxFile int
	file    *os.File
	size    int64
	now     func() time.Time
	partial map[string][]byte // text without its newline yet, by stream
	out     []byte
	// also is sent each entry, too; failed is what that could not.
	also   ship.Shipper
	failed error
	attrs  []byte       // what all entries have beside their text, as JSON
	behind ship.Shipper // has file, size and began to itself; nil when nothing waits
	// maxAge is what KeepFor set, began when the file's first line was printed; who looks
	// at them while nothing is printed ends by aged.
	maxAge time.Duration
	began  time.Time
	aged   chan struct{}
	aging  sync.WaitGroup
}

// Create opens the log at path for appending; a path of "" keeps none. A maxSize or maxFile of 0 is the
// default.
func Create(path string, maxSize int64, maxFile int, now func() time.Time) (*Writer, error) {
	if maxSize <= 0 {
		maxSize = DefaultMaxSize
	}
	if maxFile <= 0 {
		maxFile = DefaultMaxFile
	}
	w := &Writer{path: path, maxSize: maxSize, maxFile: maxFile, now: now, partial: map[string][]byte{}}
	return w, w.open()
}

func (w *Writer) open() error {
	if w.path == "" {
		return nil
	}
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("logs: opening %s: %w", w.path, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("logs: opening %s: %w", w.path, err)
	}
	w.file, w.size = f, info.Size()
	return nil
}

// Write records text that came from a stream, line by line.
func (w *Writer) Write(stream string, text []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	w.out = w.out[:0]
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		held := w.partial[stream]
		if room := maxText - len(held); len(line) > room {
			line, rest, whole = text[:room], text[room:], false
		}
		text, held = rest, append(held, line...)
		if !whole && len(held) < maxText {
			w.partial[stream] = held
			break
		}
		n := len(held)
		if !whole {
			n = wholeRunes(held)
		}
		before := len(w.out)
		w.entry(held[:n], whole, stream, now)
		w.partial[stream] = append(held[:0], held[n:]...)
		// What came at once may be more than a file may hold.
		if before > 0 && int64(len(w.out)) > w.room() {
			if err := w.flush(w.out[:before]); err != nil {
				return err
			}
			w.out = append(w.out[:0], w.out[before:]...)
		}
	}
	return w.flush(w.out)
}

// entry adds an entry to out, and sends it.
func (w *Writer) entry(text []byte, whole bool, stream string, now time.Time) {
	if w.also != nil {
		if err := w.also.Send(ship.Message{Stream: stream, Text: text, Whole: whole, Time: now}); err != nil {
			w.failed = err // told at the end: others are sent
		}
	}
	if w.path != "" {
		w.appendEntry(text, whole, stream, now)
	}
}

// flush writes whole entries only, so that a rotated file always ends in one.
func (w *Writer) flush(entries []byte) error {
	switch {
	case len(entries) == 0:
		return nil
	case w.behind != nil:
		return w.behind.Send(ship.Message{Text: entries})
	default:
		return w.store(entries)
	}
}

// room is how much the file may grow before another follows; what waits is one entry
// each, so that nothing but whole lines is dropped.
func (w *Writer) room() int64 {
	if w.behind != nil {
		return 0
	}
	return w.maxSize - w.size
}

// store appends entries to the file, or to the next one.
func (w *Writer) store(entries []byte) error {
	aged := w.expire() // what cannot be removed keeps nothing from being added
	if len(entries) == 0 {
		return aged
	}
	if w.size > 0 && w.size+int64(len(entries)) > w.maxSize {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	if w.size == 0 && w.maxAge > 0 {
		w.began = w.now()
	}
	n, err := w.file.Write(entries)
	w.size += int64(n)
	if err != nil {
		return fmt.Errorf("logs: writing %s: %w", w.path, err)
	}
	return aged
}

// rotate renames log to log.1, log.1 to log.2, … and drops the last.
func (w *Writer) rotate() error {
	w.file.Close()
	for i := w.maxFile - 1; i > 0; i-- {
		if err := os.Rename(rotated(w.path, i-1), rotated(w.path, i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("logs: rotating: %w", err)
		}
	}
	if w.maxFile == 1 {
		if err := os.Remove(w.path); err != nil {
			return fmt.Errorf("logs: rotating: %w", err)
		}
	}
	return w.open()
}

func rotated(path string, i int) string {
	if i == 0 {
		return path
	}
	return path + "." + strconv.Itoa(i)
}

// Close records what has no newline yet and closes the file.
func (w *Writer) Close() error {
	w.endAging()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = w.out[:0]
	for _, stream := range []string{"stdout", "stderr"} {
		if held := w.partial[stream]; len(held) > 0 {
			w.entry(held, false, stream, w.now())
		}
	}
	w.partial = map[string][]byte{}
	err := w.flush(w.out)
	if w.behind != nil {
		err = errors.Join(err, w.behind.Close())
	}
	if w.file != nil {
		err = errors.Join(err, w.file.Close())
	}
	if w.also != nil {
		err = errors.Join(err, w.failed, w.also.Close())
	}
	return err
}

// wholeRunes is how much of text ends with a whole rune, so that none is cut in
// two between pieces. What is not UTF-8 is not held back.
func wholeRunes(text []byte) int {
	for n := len(text) - 1; n >= 0 && n > len(text)-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			if !utf8.FullRune(text[n:]) {
				return n
			}
			break
		}
	}
	return len(text)
}

func (w *Writer) appendEntry(text []byte, newline bool, stream string, now time.Time) {
	b := append(w.out, `{"log":"`...) //nolint:gocritic // it becomes w.out again below
	b = appendEscaped(b, text)
	if newline {
		b = append(b, `\n`...)
	}
	b = append(b, `","stream":"`...)
	b = append(b, stream...)
	b = append(b, '"')
	b = append(b, w.attrs...)
	b = append(b, `,"time":"`...)
	b = now.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	if !utf8.Valid(text) {
		if newline {
			text = append(text[:len(text):len(text)], '\n')
		}
		b = append(b, `,"raw":"`...)
		b = base64.StdEncoding.AppendEncode(b, text)
		b = append(b, '"')
	}
	w.out = append(b, "}\n"...)
}

// appendEscaped appends text as the inside of a JSON string. Bytes that are not
// UTF-8 become U+FFFD.
func appendEscaped(b, line []byte) []byte {
	const hex = "0123456789abcdef"
	for len(line) > 0 {
		c := line[0]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c == '\t':
				b = append(b, '\\', 't')
			case c == '\r':
				b = append(b, '\\', 'r')
			case c == '\n':
				b = append(b, '\\', 'n')
			case c < ' ' || c == 0x7f:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				b = append(b, c)
			}
			line = line[1:]
			continue
		}
		r, n := utf8.DecodeRune(line)
		b = utf8.AppendRune(b, r)
		line = line[n:]
	}
	return b
}
