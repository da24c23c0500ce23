// Package chunks cuts a stream where its content says, so that of a stream that changed
// in the middle most chunks are those of before. Each is compressed for itself.
package chunks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/layers/compress"
)

// Chunks are of these sizes, before they are compressed. It decides where they are cut,
// so a change of it makes all chunks anew.
const (
	minSize = 1 << 20
	maxSize = 16 << 20
	mask    = 1<<22 - 1 // a cut every 4 MiB beyond the least
)

// gear has a number for each byte, of which the hash of the last 64 bytes is made.
var gear = func() (g [256]uint64) {
	x := uint64(0x9e3779b97f4a7c15)
	for i := range g { // xorshift64*: any numbers do, as long as they stay
		x ^= x >> 12
		x ^= x << 25
		x ^= x >> 27
		g[i] = x * 0x2545f4914f6cdd1d
	}
	return g
}()

// Writer cuts what is written to it.
type Writer struct {
	chunk func(packed []byte) error
	buf   []byte
	hash  uint64
}

// NewWriter returns a Writer that calls chunk with each, compressed, in their order.
func NewWriter(chunk func(packed []byte) error) *Writer { return &Writer{chunk: chunk} }

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k, cut := w.scan(p)
		w.buf = append(w.buf, p[:k]...)
		p = p[k:]
		if cut {
			if err := w.flush(); err != nil {
				return n - len(p), err
			}
		}
	}
	return n, nil
}

// scan finds how much of p is of this chunk, and whether it ends there.
func (w *Writer) scan(p []byte) (int, bool) {
	have := len(w.buf)
	for i, b := range p {
		w.hash = w.hash<<1 + gear[b]
		size := have + i + 1
		if size >= maxSize || size >= minSize && (w.hash>>32)&mask == 0 {
			return i + 1, true
		}
	}
	return len(p), false
}

func (w *Writer) flush() error {
	var packed bytes.Buffer
	zw, err := compress.NewWriter(&packed, compress.Options{Compression: compress.Zstd})
	if err != nil {
		return err
	}
	_, err = zw.Write(w.buf)
	if err = errors.Join(err, zw.Close()); err != nil {
		return err
	}
	w.buf, w.hash = w.buf[:0], 0
	return w.chunk(packed.Bytes())
}

// Close ends the last chunk.
func (w *Writer) Close() error {
	if len(w.buf) == 0 {
		return nil
	}
	return w.flush()
}

// ahead is how many chunks are fetched before they are read.
const ahead = 4

// Reader reads chunks as the stream that they were cut from. The next few are fetched while
// one is read, and the bytes of each are checked.
type Reader struct {
	ctx    context.Context //nolint:containedctx // it is the context of the reading, which ends with Close
	cancel context.CancelFunc
	from   content.Provider
	next   []ocispec.Descriptor
	coming []chan fetched
	all    sync.WaitGroup

	tar *compress.Reader
	err error
}

// fetched is a chunk, or why there is none.
type fetched struct {
	packed []byte
	err    error
}

// NewReader reads chunks. Close it.
func NewReader(ctx context.Context, from content.Provider, descs []ocispec.Descriptor) *Reader {
	r := &Reader{from: from, next: descs}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for r.err == nil {
		if r.tar == nil {
			if r.err = r.open(); r.err != nil {
				break
			}
		}
		n, err := r.tar.Read(p)
		if errors.Is(err, io.EOF) {
			err = r.done()
		}
		if r.err = err; n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

// open begins the next chunk.
func (r *Reader) open() (err error) {
	for len(r.coming) < ahead && len(r.next) > 0 {
		desc, ch := r.next[0], make(chan fetched, 1)
		r.next, r.coming = r.next[1:], append(r.coming, ch)
		r.all.Go(func() {
			packed, err := r.fetch(desc)
			ch <- fetched{packed, err}
		})
	}
	if len(r.coming) == 0 {
		return io.EOF
	}
	chunk := <-r.coming[0]
	r.coming = r.coming[1:]
	if chunk.err != nil {
		return chunk.err
	}
	r.tar, err = compress.NewReader(r.ctx, bytes.NewReader(chunk.packed), compress.Limits{Bytes: maxSize})
	return err
}

// fetch brings a chunk and checks it.
func (r *Reader) fetch(desc ocispec.Descriptor) (packed []byte, err error) {
	if desc.Size > 2*maxSize {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "chunk %s: its %d bytes are none of a chunk", desc.Digest,
			desc.Size)
	}
	blob, err := r.from.Open(r.ctx, desc)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	_, err = io.Copy(&buf, content.Until(r.ctx, content.Verify(content.NewReader(blob), desc)))
	return buf.Bytes(), errors.Join(err, blob.Close())
}

// done ends a chunk.
func (r *Reader) done() (err error) {
	if r.tar != nil {
		err = r.tar.Close()
	}
	r.tar = nil
	return err
}

// Close ends the reading.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	r.cancel()
	r.all.Wait()
	return r.done()
}
