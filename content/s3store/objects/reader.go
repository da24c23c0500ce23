package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"cove/errdefs"
)

// Reader reads one object. It implements content.Reader: ranges that follow one
// another are one request.
type Reader struct {
	b    *Bucket
	key  string
	size int64
	etag string // what was opened: no other object's bytes come behind its first

	mu     sync.Mutex
	idle   *stream // an answer to read on from
	closed bool
}

// Open asks for an object. The reader must be closed.
func (b *Bucket) Open(ctx context.Context, key string) (*Reader, error) {
	r := &Reader{b: b, key: key}
	st, err := r.ask(ctx, 0)
	if err != nil {
		return nil, err
	}
	r.idle = st
	return r, nil
}

// ETag is the service's name of what was opened.
func (r *Reader) ETag() string { return r.etag }

// Size implements content.Reader.
func (r *Reader) Size() int64 { return r.size }

// Close implements content.Reader.
func (r *Reader) Close() error {
	r.mu.Lock()
	idle := r.idle
	r.idle, r.closed = nil, true
	r.mu.Unlock()
	if idle == nil {
		return nil
	}
	return idle.Close()
}

// ReadAt implements io.ReaderAt.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "%s%s: there is no offset %d", r.b.Name(), r.key, off)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	n := 0
	for tries := 0; n < len(want); {
		got, err := r.read(want[n:], off+int64(n))
		n += got
		if err == nil {
			continue
		}
		// A line that breaks is asked anew for the rest; that comes with retries of
		// its own.
		if tries++; got == 0 && tries > 2 || !errors.Is(err, errBroken) {
			return n, err
		}
	}
	if len(want) < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// errBroken is a line that broke within an answer.
var errBroken = errors.New("the answer broke off")

// read fills p from one answer: the idle one, if it is there that p begins.
func (r *Reader) read(p []byte, off int64) (int, error) {
	st, err := r.take(off)
	if err != nil {
		return 0, err
	}
	n, err := st.readFull(p)
	if err != nil {
		_ = st.Close() // it is of no use any more
		return n, errdefs.Errorf(errdefs.ErrUnavailable, "%s%s: %w: %w", r.b.Name(), r.key, errBroken, err)
	}
	r.putBack(st)
	return n, nil
}

// take returns an answer that begins at off.
func (r *Reader) take(off int64) (*stream, error) {
	r.mu.Lock()
	idle := r.idle
	closed := r.closed
	if idle != nil && idle.at == off {
		r.idle = nil
		r.mu.Unlock()
		return idle, nil
	}
	r.mu.Unlock()
	if closed {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "%s%s: the reader is closed", r.b.Name(), r.key)
	}
	return r.ask(context.Background(), off)
}

// putBack keeps the answer that was read last, and closes the one before it.
func (r *Reader) putBack(st *stream) {
	drop := st
	if st.at < r.size {
		r.mu.Lock()
		if !r.closed {
			drop, r.idle = r.idle, st
		}
		r.mu.Unlock()
	}
	if drop != nil {
		_ = drop.Close() // its bytes are not needed
	}
}

// ask sends a request for all from off on.
func (r *Reader) ask(ctx context.Context, off int64) (*stream, error) {
	in := &s3.GetObjectInput{Bucket: &r.b.name, Key: r.b.key(r.key)}
	if r.etag != "" {
		in.IfMatch = &r.etag
	}
	if off > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", off))
	}
	// The answer outlives the request of whoever asked for it first.
	living, cancel := context.WithCancel(context.WithoutCancel(ctx))
	quit := context.AfterFunc(ctx, cancel)
	late := time.AfterFunc(r.b.timeout, cancel)
	out, err := r.b.client.GetObject(living, in)
	inTime := late.Stop()
	quit()
	if err != nil {
		cancel()
		if !inTime && ctx.Err() == nil {
			return nil, errdefs.Errorf(errdefs.ErrUnavailable, "%s%s: no answer in %s", r.b.Name(), r.key, r.b.timeout)
		}
		return nil, r.b.failed(r.key, err)
	}
	if off == 0 && r.etag == "" {
		r.size, r.etag = aws.ToInt64(out.ContentLength), aws.ToString(out.ETag)
	}
	return &stream{body: out.Body, cancel: cancel, at: off, timeout: r.b.timeout}, nil
}

// stream is an answer that is being read.
type stream struct {
	body    io.ReadCloser
	cancel  context.CancelFunc
	at      int64 // of the next byte
	timeout time.Duration
}

// readFull ends an answer that is silent for too long.
func (s *stream) readFull(p []byte) (int, error) {
	late := time.AfterFunc(s.timeout, s.cancel)
	defer late.Stop()
	n := 0
	for n < len(p) {
		got, err := s.body.Read(p[n:])
		n += got
		s.at += int64(got)
		if n == len(p) {
			break
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		if got > 0 {
			late.Reset(s.timeout)
		}
	}
	return n, nil
}

func (s *stream) Close() error {
	err := s.body.Close()
	s.cancel()
	return err
}
