// Package hijack takes a connection over from HTTP for the streams of a container or
// an exec, as docker's clients expect it, and frames what is sent there.
package hijack

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/errdefs"
)

// The kinds of streams: a terminal's bytes, and output and errors in frames.
const (
	raw         = "application/vnd.docker.raw-stream"
	multiplexed = "application/vnd.docker.multiplexed-stream"
)

// ContentType is what the stream of a process is called: what has no terminal is in
// frames, which versions before 1.42 had no name for.
func ContentType(r *route.Request, tty bool) string {
	if tty || r.Version.Before(wire.V(42)) {
		return raw
	}
	return multiplexed
}

// Stream is a connection that was taken over. Its Reader is what the client sends,
// until it closes its half.
type Stream struct {
	conn    net.Conn
	reader  *bufio.Reader
	tty     bool
	mu      sync.Mutex
	gone    context.Context //nolint:containedctx // it is the connection's, not a call's
	hangUp  context.CancelFunc
	watched sync.Once
}

func newStream(conn net.Conn, reader *bufio.Reader, tty bool) *Stream {
	s := &Stream{conn: conn, reader: reader, tty: tty}
	s.gone, s.hangUp = context.WithCancel(context.Background())
	return s
}

// Take takes the connection of a request over and says so. The answer has neither
// length nor chunks: what follows is the stream.
func Take(w http.ResponseWriter, r *route.Request, tty bool) (*Stream, error) {
	if r.ContentLength > 0 { // some clients send their options as a body, too: it is no input
		if _, err := io.CopyN(io.Discard, r.Body, r.ContentLength); err != nil && !errors.Is(err, io.EOF) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "reading the request: %w", err)
		}
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("taking the connection over: %w", err)
	}
	_ = conn.SetDeadline(time.Time{}) // that of reading the headers; a connection that is gone fails below
	contentType := ContentType(r, tty)
	if r.Header.Get("Upgrade") != "" {
		fmt.Fprintf(buffered, "HTTP/1.1 101 UPGRADED\r\nContent-Type: %s\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n",
			contentType)
	} else {
		fmt.Fprintf(buffered, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n", raw)
	}
	err = errors.Join(w.Header().Write(buffered), end(buffered.Writer))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("taking the connection over: %w", err)
	}
	awaitRead(conn)
	return newStream(conn, buffered.Reader, tty), nil
}

func end(w *bufio.Writer) error {
	_, err := w.WriteString("\r\n")
	return errors.Join(err, w.Flush())
}

// Read reads what the client sends; io.EOF is the end of its half.
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.reader.Read(p)
	if err != nil && s.tty {
		s.Watch()
	}
	return n, err
}

// SetReadDeadline ends a Read that waits.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// Close ends the stream: whoever reads has all of it first.
func (s *Stream) Close() error {
	defer s.hangUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // of one that is gone there is nothing to close
	}
	return s.conn.Close()
}

// Stdout and Stderr are where a process's output goes; of a terminal both are one.
func (s *Stream) Stdout() io.Writer { return s.writer(stdout) }

// Stderr is described at Stdout.
func (s *Stream) Stderr() io.Writer { return s.writer(stderr) }

func (s *Stream) writer(of byte) io.Writer {
	if s.tty {
		return locked{s}
	}
	return framed{s.conn, &s.mu, of}
}

type locked struct{ s *Stream }

func (l locked) Write(p []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.s.conn.Write(p)
}

const headerSize = 8

// The streams that a frame may be of.
const (
	stdout byte = 1
	stderr byte = 2
)

// header begins a frame: whose it is, and the length of what follows.
func header(of byte, n int) []byte {
	h := make([]byte, headerSize)
	h[0] = of
	binary.BigEndian.PutUint32(h[4:], uint32(n))
	return h
}

// Answer is where output goes in an answer that is not taken over, as that of logs:
// in frames, or, of a terminal, as it is.
func Answer(w io.Writer, tty bool) (out, errs io.Writer) {
	if tty {
		return w, w
	}
	mu := &sync.Mutex{}
	return framed{w, mu, stdout}, framed{w, mu, stderr}
}

type framed struct {
	w  io.Writer
	mu *sync.Mutex
	of byte
}

func (f framed) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.w.Write(append(header(f.of, len(p)), p...))
	return max(n-headerSize, 0), err
}
