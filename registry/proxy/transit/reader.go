package transit

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"cove/content"
)

// Join counts one more who reads it. Read, or Leave, comes next, and once.
func (b *Blob) Join() {
	b.mu.Lock()
	b.readers++
	b.mu.Unlock()
}

// Leave ends what Join began.
func (b *Blob) Leave() {
	b.mu.Lock()
	b.readers--
	b.closeFile()
	b.mu.Unlock()
}

// Read waits until it is known how long the blob is and its first bytes are here, so that
// what fails before is an error and no answer that is cut. ctx must last until the reader
// is closed. Who calls it has joined; he leaves with an error, or with Close.
func (b *Blob) Read(ctx context.Context) (content.Reader, error) {
	err := b.until(ctx, func() bool { return b.ended || b.size >= 0 && b.written > 0 })
	if err != nil {
		b.Leave()
		return nil, err
	}
	return &reader{ctx: ctx, b: b}, nil
}

// reader reads a blob that is on its way. It is a content.Reader.
type reader struct {
	ctx context.Context //nolint:containedctx // that of the request, which ends with Close
	b   *Blob

	mu    sync.Mutex
	whole content.Reader // the stored blob, once it is needed
	left  bool
}

var _ content.Reader = (*reader)(nil)

// Size implements content.Reader.
func (r *reader) Size() int64 { return r.b.size }

// ReadAt implements content.Reader. It waits for the bytes.
func (r *reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off >= r.b.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > r.b.size-off
	if short {
		p = p[:r.b.size-off]
	}
	for n < len(p) && err == nil {
		var m int
		m, err = r.some(p[n:], off+int64(n))
		n += m
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// some reads what there is of p at off, once there is any.
func (r *reader) some(p []byte, off int64) (int, error) {
	b := r.b
	var ready int64
	var from io.ReaderAt
	kept := false
	err := b.until(r.ctx, func() bool {
		from, kept = b.from, b.ended && !b.passed
		ready = min(b.written, b.size-1)
		if b.passed {
			ready = b.size
		}
		return kept || off < ready
	})
	if err != nil {
		return 0, err
	}
	if !kept {
		n, err := from.ReadAt(p[:min(int64(len(p)), ready-off)], off)
		if err == nil || errors.Is(err, io.EOF) && n > 0 {
			return n, nil
		}
		if !errors.Is(err, os.ErrClosed) {
			return n, err
		}
		// It is being committed.
		if err := b.until(r.ctx, func() bool { return b.ended }); err != nil {
			return 0, err
		}
	}
	whole, err := r.stored()
	if err != nil {
		return 0, err
	}
	return whole.ReadAt(p, off)
}

func (r *reader) stored() (_ content.Reader, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.whole == nil {
		w := r.b.way
		r.whole, err = w.Into.OpenBlob(r.ctx, w.Repository, w.Digest)
	}
	return r.whole, err
}

// Close implements content.Reader. The blob goes on coming: the next client has it.
func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.left {
		r.left = true
		r.b.Leave()
	}
	if r.whole == nil {
		return nil
	}
	return r.whole.Close()
}
