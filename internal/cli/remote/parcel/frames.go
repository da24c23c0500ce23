package parcel

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"cove/errdefs"
)

// maxLine is how long an answer or a request may be.
const maxLine = 64 << 10

// writer cuts a stream into frames, each behind its length, so that more can follow it.
type writer struct{ w io.Writer }

func (f writer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // a frame of none is the end
	}
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(p)))
	if _, err := f.w.Write(head[:]); err != nil {
		return 0, err
	}
	return f.w.Write(p)
}

// end says that the stream is over.
func (f writer) end() error {
	_, err := f.w.Write(make([]byte, 4))
	return err
}

// send writes what pack writes as one stream.
func send(w io.Writer, pack func(io.Writer) error) error {
	f := writer{w}
	buffered := bufio.NewWriterSize(f, 128<<10)
	if err := pack(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	return f.end()
}

// reader is one such stream.
type reader struct {
	r     *bufio.Reader
	left  uint32
	ended bool // and what follows is another's
}

func (f *reader) Read(p []byte) (int, error) {
	if f.ended {
		return 0, io.EOF
	}
	if f.left == 0 {
		var head [4]byte
		if _, err := io.ReadFull(f.r, head[:]); err != nil {
			return 0, cut(err)
		}
		if f.left = binary.BigEndian.Uint32(head[:]); f.left == 0 {
			f.ended = true
			return 0, io.EOF
		}
	}
	n, err := f.r.Read(p[:min(len(p), int(f.left))])
	f.left -= uint32(n)
	return n, cut(err)
}

// cut has a connection that ended within a stream be no end of the stream.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// answer is a line of the far side.
type answer struct {
	Error string `json:",omitempty"`
	Dirs
}

func say(w io.Writer, a answer) error { return json.NewEncoder(w).Encode(a) }

func hear(r *bufio.Reader) (Dirs, error) {
	var a answer
	line, err := readLine(r)
	if err == nil {
		err = json.Unmarshal(line, &a)
	}
	if errors.Is(err, io.EOF) {
		return Dirs{}, errdefs.Errorf(errdefs.ErrUnavailable, "the connection ended before the other side had all that travels")
	}
	if err != nil {
		return Dirs{}, errdefs.Errorf(errdefs.ErrUnavailable, "the other side does not answer: %w", err)
	}
	if a.Error != "" {
		return Dirs{}, errdefs.Errorf(errdefs.ErrUnavailable, "the other side: %s", a.Error)
	}
	return a.Dirs, nil
}

func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, more, err := r.ReadLine()
		if line = append(line, part...); err != nil || !more {
			return line, err
		}
		if len(line) > maxLine {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "a line of more than %d bytes", maxLine)
		}
	}
}
