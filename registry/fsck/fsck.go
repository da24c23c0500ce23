// Package fsck compares what a registry has stored with what it should be.
package fsck

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
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/metadata"
)

// Finding is stored content that is not what it should be, or something among it
// that is no content.
type Finding struct {
	Digest digest.Digest
	Kind   Kind
	// Name is of what is Foreign, which has no digest.
	Name   string
	Reason string
	// Repositories hold it; at most foundIn are named.
	Repositories []string
	// Healed: what was wrong was removed, so that a push brings the right bytes.
	Healed bool
}

// Kind is what is the matter.
type Kind int

const (
	// Damaged: the bytes are wrong, or cannot be read.
	Damaged Kind = iota
	// Lost: the bytes are not there.
	Lost
	// Foreign: it is no content, and nothing needs it.
	Foreign
)

const (
	foundIn  = 20
	pageSize = 512 // contents that are asked for at once
)

// Checked counts what a check has looked at.
type Checked struct {
	Contents int
	Bytes    int64
	Strays   int // stored and unknown to the database: the collector takes them
}

// Run reads all that the database says is stored and compares it with its
// digests. found is told of everything that is wrong, one at a time, and a thing
// that cannot be looked at is wrong too: only a database that fails, or the end
// of ctx, ends a check early.
//
// What is damaged is recorded as such, so that a registry says that it is not
// there. heal also removes it, under the lock of its digest, which with SQLite
// holds in one process only: the caller sees to it that no server runs. What is
// removed or lost comes back with the next push of the image.
func Run(
	ctx context.Context, store content.BlobStore, db *metadata.DB, heal bool, found func(Finding),
) (Checked, error) {
	f := &check{store: store, db: db, heal: heal, found: found}
	f.buffers.New = func() any { b := make([]byte, 1<<20); return &b }
	var last digest.Digest
	for {
		page, err := db.Stored(ctx, last, pageSize)
		if err != nil {
			return f.done, err
		}
		if len(page) == 0 {
			return f.done, errors.Join(f.countStrays(ctx), f.lookForForeign(ctx))
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(runtime.GOMAXPROCS(0))
		for _, st := range page {
			g.Go(func() error { return f.content(ctx, st) })
		}
		if err := g.Wait(); err != nil {
			return f.done, err
		}
		last = page[len(page)-1].Digest
	}
}

type check struct {
	store content.BlobStore
	db    *metadata.DB
	heal  bool

	buffers sync.Pool // *[]byte

	mu    sync.Mutex
	found func(Finding)
	done  Checked
}

func (f *check) content(ctx context.Context, st metadata.Stored) error {
	if f.heal {
		unlock, err := f.db.LockDigest(ctx, st.Digest)
		if err != nil {
			return err
		}
		defer unlock()
	}
	wrong := f.read(ctx, st)
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done.Contents++
	f.done.Bytes += st.Size
	if damaged := wrong != nil; damaged != st.Damaged {
		err := f.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			return tx.MarkDamaged(ctx, st.Digest, damaged)
		})
		if err != nil && !errors.Is(err, errdefs.ErrExhausted) { // a full disk is checked too
			return err
		}
	}
	if wrong == nil {
		return nil
	}
	if owned, err := f.db.Owned(ctx, st.Digest); err != nil || !owned { // collected meanwhile
		return err
	}
	return f.tell(ctx, st.Digest, wrong)
}

// tell reports wrong content, after it has removed it if it is to heal.
func (f *check) tell(ctx context.Context, dgst digest.Digest, wrong error) (err error) {
	out := Finding{Digest: dgst, Kind: Damaged, Reason: wrong.Error()}
	if errors.Is(wrong, errdefs.ErrNotFound) {
		out.Kind = Lost
	}
	if out.Repositories, err = f.db.Holders(ctx, dgst, foundIn); err != nil {
		return err
	}
	if f.heal {
		switch err := f.store.Delete(ctx, dgst); {
		case err == nil:
			out.Healed = true
			if err := f.note(ctx, dgst.String(), out.Reason); err != nil {
				return err
			}
		case !errors.Is(err, errdefs.ErrNotFound):
			out.Reason += "; it could not be removed: " + err.Error()
		}
	}
	f.found(out)
	return nil
}

// note writes to the log what was removed; where the disk is full for it, the removal counts.
func (f *check) note(ctx context.Context, what, reason string) error {
	err := f.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		removed := audit.Change{Action: "content.remove", Object: what, Detail: reason}
		return audit.Record(ctx, tx, auth.Operator(), removed)
	})
	if errors.Is(err, errdefs.ErrExhausted) {
		return nil
	}
	return err
}

func (f *check) read(ctx context.Context, st metadata.Stored) error {
	desc := ocispec.Descriptor{Digest: st.Digest, Size: st.Size}
	r, err := f.store.Open(ctx, desc)
	if err != nil {
		return err
	}
	defer r.Close()
	buf := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(buf)
	_, err = io.CopyBuffer(writerOnly{io.Discard}, content.Verify(content.NewReader(r), desc), *buf)
	return err
}

// writerOnly hides io.Discard's ReadFrom, whose own buffer is small.
type writerOnly struct{ io.Writer }

func (f *check) countStrays(ctx context.Context) error {
	for info, err := range f.store.All(ctx) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			f.found(Finding{Kind: Foreign, Name: info.Digest.String(), Reason: err.Error()})
			continue
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

// lookForForeign reports what is among the contents and is none, but for what
// stands in place of one that content has reported.
func (f *check) lookForForeign(ctx context.Context) error {
	for thing, err := range f.store.Foreign(ctx) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			f.found(Finding{Kind: Foreign, Name: thing.Name, Reason: err.Error()})
			continue
		}
		if thing.Digest != "" {
			if owned, err := f.db.Owned(ctx, thing.Digest); err != nil || owned {
				if err != nil {
					return err
				}
				continue
			}
		}
		out := Finding{Kind: Foreign, Name: thing.Name, Reason: thing.Reason}
		if f.heal {
			if err := f.store.RemoveForeign(ctx, thing); err != nil {
				out.Reason += "; it could not be removed: " + err.Error()
			} else {
				out.Healed = true
				if err := f.note(ctx, thing.Name, thing.Reason); err != nil {
					return err
				}
			}
		}
		f.found(out)
	}
	return nil
}
