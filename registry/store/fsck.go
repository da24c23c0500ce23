package store

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cove/content"
	"cove/errdefs"
	"cove/registry/metadata"
)

// Finding is stored content that is not what it should be.
type Finding struct {
	Digest digest.Digest
	// Lost: the bytes are not there. Else they are wrong, as Reason says.
	Lost   bool
	Reason string
	// Repositories hold it; at most foundIn are named.
	Repositories []string
	// Healed: the wrong bytes were removed, so that a push brings them again.
	Healed bool
}

const foundIn = 20

// Checked counts what a check has looked at.
type Checked struct {
	Contents int
	Bytes    int64
	Strays   int // stored and unknown to the database: the collector takes them
}

// Fsck reads all that the database says is stored and compares it with its
// digests. found is told of everything that is wrong, one at a time.
//
// Beside a running registry it only looks. heal also removes wrong bytes under
// the lock of their digest, which with SQLite holds in one process only: the
// caller sees to it that no server runs. What is removed, like what was lost, is answered as not found, so
// that the next push of the image brings it again.
func Fsck(ctx context.Context, store content.Store, db *metadata.DB, heal bool, found func(Finding)) (Checked, error) {
	f := &fsck{store: store, db: db, heal: heal, found: found}
	f.buffers.New = func() any { b := make([]byte, 1<<20); return &b }
	var last digest.Digest
	for {
		page, err := db.Stored(ctx, last, reviewBatch)
		if err != nil {
			return f.done, err
		}
		if len(page) == 0 {
			return f.done, f.countStrays(ctx)
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(runtime.GOMAXPROCS(0))
		for _, st := range page {
			g.Go(func() error { return f.check(ctx, st) })
		}
		if err := g.Wait(); err != nil {
			return f.done, err
		}
		last = page[len(page)-1].Digest
	}
}

type fsck struct {
	store content.Store
	db    *metadata.DB
	heal  bool

	buffers sync.Pool // *[]byte

	mu    sync.Mutex
	found func(Finding)
	done  Checked
}

func (f *fsck) check(ctx context.Context, st metadata.Stored) error {
	if f.heal {
		unlock, err := f.db.LockDigest(ctx, st.Digest)
		if err != nil {
			return err
		}
		defer unlock()
	}
	err := f.read(ctx, st)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done.Contents++
	f.done.Bytes += st.Size
	lost := errors.Is(err, errdefs.ErrNotFound)
	if err == nil || !lost && !errors.Is(err, errdefs.ErrCorrupt) {
		return err
	}
	if owned, err := f.db.Owned(ctx, st.Digest); err != nil || !owned { // collected meanwhile
		return err
	}
	out := Finding{Digest: st.Digest, Lost: lost, Reason: err.Error()}
	if out.Repositories, err = f.db.Holders(ctx, st.Digest, foundIn); err != nil {
		return err
	}
	if f.heal && !lost {
		if err := f.store.Delete(ctx, st.Digest); err != nil {
			return err
		}
		out.Healed = true
	}
	f.found(out)
	return nil
}

func (f *fsck) read(ctx context.Context, st metadata.Stored) error {
	desc := ocispec.Descriptor{Digest: st.Digest, Size: st.Size}
	r, err := f.store.Open(ctx, desc)
	if err != nil {
		return err
	}
	defer r.Close()
	buf := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(buf)
	_, err = io.CopyBuffer(writerOnly{io.Discard}, content.Verify(content.NewReader(r), desc), *buf)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// writerOnly hides io.Discard's ReadFrom, whose own buffer is small.
type writerOnly struct{ io.Writer }

func (f *fsck) countStrays(ctx context.Context) error {
	for info, err := range f.store.All(ctx) {
		if err != nil {
			return err
		}
		owned, err := f.db.Owned(ctx, info.Digest)
		if err != nil {
			return err
		}
		if !owned {
			f.done.Strays++
		}
	}
	return nil
}
