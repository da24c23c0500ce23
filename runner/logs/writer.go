// Package logs keeps what containers print, in docker's json-file format: one
// JSON object per line with the text, its stream and its time. A [Writer]
// rotates; [Read] reads across rotations, from the end, or following.
package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// The defaults of a Writer.
const (
	DefaultMaxSize = 10 << 20
	DefaultMaxFile = 3
)

// maxText is the longest text of one entry; a longer line becomes several, of
// which only the last ends in a newline. It bounds memory, and is docker's.
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
}

// Create opens the log at path for appending. A maxSize or maxFile of 0 is the
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
		held := w.partial[stream]
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if room := maxText - len(held); len(line) > room {
			line, rest, whole = text[:room], text[room:], false
		}
		text = rest
		full := len(held)+len(line) == maxText
		if !whole && !full {
			w.partial[stream] = append(held, line...)
			break
		}
		w.out = appendEntry(w.out, held, line, whole, stream, now)
		w.partial[stream] = held[:0]
	}
	return w.flush()
}

// flush writes whole entries only, so that a rotated file always ends in one.
func (w *Writer) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	if w.size > 0 && w.size+int64(len(w.out)) > w.maxSize {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	n, err := w.file.Write(w.out)
	w.size += int64(n)
	if err != nil {
		return fmt.Errorf("logs: writing %s: %w", w.path, err)
	}
	return nil
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
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = w.out[:0]
	for _, stream := range []string{"stdout", "stderr"} {
		if held := w.partial[stream]; len(held) > 0 {
			w.out = appendEntry(w.out, held, nil, false, stream, w.now())
		}
	}
	w.partial = map[string][]byte{}
	return errors.Join(w.flush(), w.file.Close())
}

func appendEntry(b, held, line []byte, newline bool, stream string, now time.Time) []byte {
	b = append(b, `{"log":"`...)
	b = appendEscaped(b, held, line)
	if newline {
		b = append(b, `\n`...)
	}
	b = append(b, `","stream":"`...)
	b = append(b, stream...)
	b = append(b, `","time":"`...)
	b = now.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, "\"}\n"...)
}

// appendEscaped appends the two parts of one text as the inside of a JSON
// string. Bytes that are not UTF-8 become U+FFFD; a rune that was cut between
// two reads is whole again here.
func appendEscaped(b, held, line []byte) []byte {
	if len(held) > 0 {
		line = append(held[:len(held):len(held)], line...)
	}
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
