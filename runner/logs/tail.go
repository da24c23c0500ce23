package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// place is where an entry begins: in which file, oldest first, and at which byte.
type place struct {
	file int
	at   int64
}

func (p place) before(q place) bool { return p.file < q.file || p.file == q.file && p.at < q.at }

// tail says from where on lines are wanted. Pieces of lines of both streams lie
// between each other, so each stream has a place of its own.
type tail struct {
	streams map[string]place
	end     place // for a stream with no line among the last
}

// cuts reports whether a line of a stream that begins at a place is not wanted.
func (t tail) cuts(stream string, at place) bool {
	from, ok := t.streams[stream]
	if !ok {
		from = t.end
	}
	return at.before(from)
}

// first is the earliest place that anything is wanted from.
func (t tail) first() place {
	first := t.end
	for _, p := range t.streams {
		if p.before(first) {
			first = p
		}
	}
	return first
}

// findTail finds where the last n lines begin. It reads backwards, as far as it
// must: to the end of the line before, of each stream that has one. size is that of the
// newest file, which grows.
func findTail(files []*os.File, size int64, n int) (tail, error) {
	last := len(files) - 1
	t := tail{streams: map[string]place{}, end: place{last, size}}
	done := map[string]bool{} // streams whose first wanted line begins where t says
	for i := last; i >= 0; i-- {
		b, err := newBackward(files[i])
		if err != nil {
			return t, err
		}
		if i == last {
			b.pos = size
		}
		for {
			text, at, err := b.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return t, err
			}
			if i == last && text[len(text)-1] != '\n' {
				t.end.at = at // it is being written
			}
			stream, ends, ok := peek(text)
			if !ok || done[stream] {
				continue
			}
			_, seen := t.streams[stream]
			switch {
			case seen && !ends: // an earlier piece of the line that was read last
			case n > 0:
				n--
			default:
				done[stream] = true
				if allDone(t, done) {
					return t, nil
				}
				continue
			}
			t.streams[stream] = place{i, at}
		}
	}
	return t, nil
}

func allDone(t tail, done map[string]bool) bool {
	for stream := range t.streams {
		if !done[stream] {
			return false
		}
	}
	return true
}

// peek tells which stream an entry is of, and whether it ends a line, without
// decoding it. No text holds the mark: its quotes would be escaped.
func peek(text []byte) (stream string, ends, ok bool) {
	const mark = `","stream":"`
	at := bytes.Index(text, []byte(mark))
	if at < 0 || text[len(text)-1] != '\n' {
		return "", false, false // half-written in a crash, or not completely written yet
	}
	name, _, ok := bytes.Cut(text[at+len(mark):], []byte{'"'})
	log := text[:at]
	return string(name), bytes.HasSuffix(log, []byte(`\n`)) && backslashes(log[:len(log)-1])%2 == 1, ok
}

// backslashes counts those that text ends in.
func backslashes(text []byte) int {
	return len(text) - len(bytes.TrimRight(text, `\`))
}

// backward reads the lines of a file from its end.
type backward struct {
	f   *os.File
	pos int64
	buf []byte // what begins at pos and was not given out yet
}

func newBackward(f *os.File) (*backward, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	_, err = f.Seek(0, io.SeekStart)
	return &backward{f: f, pos: size}, err
}

// next returns the line before, and where it begins; io.EOF when there is none.
// The line is valid until the next call.
func (b *backward) next() (text []byte, at int64, err error) {
	for {
		end := len(bytes.TrimSuffix(b.buf, []byte{'\n'}))
		if i := bytes.LastIndexByte(b.buf[:end], '\n'); i >= 0 {
			text, at = b.buf[i+1:], b.pos+int64(i)+1
			b.buf = b.buf[:i+1]
			return text, at, nil
		}
		if b.pos == 0 {
			if text, b.buf = b.buf, nil; len(text) == 0 {
				return nil, 0, io.EOF
			}
			return text, 0, nil
		}
		size := min(b.pos, 64<<10)
		more := make([]byte, size, size+int64(len(b.buf)))
		if _, err := b.f.ReadAt(more, b.pos-size); err != nil {
			return nil, 0, fmt.Errorf("logs: reading backwards: %w", err)
		}
		b.buf, b.pos = append(more, b.buf...), b.pos-size
	}
}
