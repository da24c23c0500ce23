// Package reread remembers of stored bytes that were written to after they were stored
// which were read since and found right, so that they are not read again until they
// change once more.
package reread

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/internal/limit"
)

// Right are bytes that were found right. The zero value knows none. It is safe for
// concurrent use.
type Right struct {
	reading limit.Keyed

	mu  sync.Mutex
	was map[digest.Digest]time.Time // when they were last written to
}

// most bounds what is remembered; then it begins anew.
const most = 50_000

// Compare reads stored bytes that were last written to at a time, unless they are known
// to be right. errdefs.ErrCorrupt: they are not. Mostly that was no harm, as when all
// was copied to another disk.
func (r *Right) Compare(ctx context.Context, store content.BlobStore, desc ocispec.Descriptor, at time.Time) error {
	unlock, err := r.reading.Lock(ctx, desc.Digest.String())
	if err != nil {
		return err
	}
	defer unlock()
	if r.Knows(desc.Digest, at) { // somebody else has read them meanwhile
		return nil
	}
	rd, err := store.Open(ctx, desc)
	if err != nil {
		return err
	}
	defer rd.Close()
	if err = drain(ctx, content.Verify(content.NewReader(rd), desc)); err == nil {
		r.learn(desc.Digest, at)
	}
	return err
}

// drain reads to the end, or until the client who asked has gone.
func drain(ctx context.Context, r io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := r.Read(buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Knows says whether the bytes, last written to at a time, were found right.
func (r *Right) Knows(dgst digest.Digest, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, ok := r.was[dgst]
	return ok && was.Equal(at)
}

// learn remembers that they were.
func (r *Right) learn(dgst digest.Digest, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.was == nil || len(r.was) == most {
		r.was = map[digest.Digest]time.Time{}
	}
	r.was[dgst] = at
}
