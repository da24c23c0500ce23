package files

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/internal/limit"
)

const (
	// maxKept bounds the indexes that are remembered, in about bytes.
	maxKept = 96 << 20
	// entryCost is what an entry takes besides its names.
	entryCost = 96
	// maxAtOnce bounds the layers that are being read.
	maxAtOnce = 2
	// maxWaiting bounds who waits for the same layer.
	maxWaiting = 32
)

// Reader reads layers, and remembers what the last ones held: who walks through an
// image reads each of its layers once. It is safe for concurrent use.
type Reader struct {
	turns limit.Keyed // by digest
	slots chan struct{}

	mu   sync.Mutex
	kept map[digest.Digest]*index
	used []digest.Digest // the one that was used last is the last
	cost int
}

// NewReader returns a Reader that remembers nothing yet.
func NewReader() *Reader {
	return &Reader{
		turns: limit.Keyed{Most: maxWaiting}, slots: make(chan struct{}, maxAtOnce), kept: map[digest.Digest]*index{},
	}
}

// Image is what layers hold together, the lowest first.
func (r *Reader) Image(ctx context.Context, layers []Layer) (*Tree, error) {
	t := newTree()
	for _, l := range layers {
		x, err := r.index(ctx, l)
		if err != nil {
			return nil, err
		}
		t.add(l.Digest, x, false)
	}
	t.root.sum()
	return t, nil
}

// Layer is what one layer holds, with what it takes away.
func (r *Reader) Layer(ctx context.Context, l Layer) (*Tree, error) {
	x, err := r.index(ctx, l)
	if err != nil {
		return nil, err
	}
	t := newTree()
	t.add(l.Digest, x, true)
	t.root.sum()
	return t, nil
}

// index is what a layer holds, from memory or by reading it.
func (r *Reader) index(ctx context.Context, l Layer) (*index, error) {
	if x := r.remembered(l.Digest); x != nil {
		return x, nil
	}
	unlock, err := r.turns.Lock(ctx, l.Digest.String())
	if err != nil {
		return nil, busy(err)
	}
	defer unlock()
	if x := r.remembered(l.Digest); x != nil { // by who had the turn before
		return x, nil
	}
	done, err := r.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	x, err := read(ctx, l)
	if err != nil {
		return nil, err
	}
	r.remember(l.Digest, x)
	return x, nil
}

func busy(err error) error {
	return errdefs.Errorf(errdefs.ErrUnavailable, "too many layers are being read; try again: %w", err)
}

func (r *Reader) slot(ctx context.Context) (done func(), err error) {
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *Reader) remembered(dgst digest.Digest) *index {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.kept[dgst]
	if x != nil {
		r.touch(dgst)
	}
	return x
}

// touch moves the digest to the end of used.
func (r *Reader) touch(dgst digest.Digest) {
	for i, d := range r.used {
		if d == dgst {
			r.used = append(r.used[:i], r.used[i+1:]...)
			break
		}
	}
	r.used = append(r.used, dgst)
}

func (x *index) cost() int { return x.bytes + entryCost*len(x.headers) }

func (r *Reader) remember(dgst digest.Digest, x *index) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept[dgst] = x
	r.cost += x.cost()
	r.touch(dgst)
	for r.cost > maxKept && len(r.used) > 1 {
		oldest := r.used[0]
		r.cost -= r.kept[oldest].cost()
		delete(r.kept, oldest)
		r.used = r.used[1:]
	}
}

// Preview reads the beginning of a file in a layer. A file that is not in the
// layer is errdefs.ErrNotFound.
func (r *Reader) Preview(ctx context.Context, l Layer, name string) (p Preview, err error) {
	done, err := r.slot(ctx)
	if err != nil {
		return p, err
	}
	defer done()
	found := false
	_, err = scan(ctx, l, func(h *tar.Header, body io.Reader) (bool, error) {
		at, ok := clean(h.Name)
		if !ok || at != name || h.Typeflag != tar.TypeReg {
			return true, nil
		}
		found = true // the last one of a name counts, but no builder writes two
		text, err := io.ReadAll(io.LimitReader(body, maxPreview))
		if err != nil {
			return false, err
		}
		p = Preview{Text: textOf(text), Size: max(0, h.Size), Cut: h.Size > int64(len(text))}
		return false, nil
	})
	if err == nil && !found {
		err = errdefs.Errorf(errdefs.ErrNotFound, "layer %s has no file %q", l.Digest, name)
	}
	return p, err
}

// textOf is a text that people can read; "" for anything else.
func textOf(data []byte) string {
	for range utf8.UTFMax - 1 { // the last character may be cut
		if utf8.Valid(data) || len(data) == 0 {
			break
		}
		data = data[:len(data)-1]
	}
	if !utf8.Valid(data) || bytes.ContainsRune(data, 0) {
		return ""
	}
	return string(data)
}
