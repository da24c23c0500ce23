// Package unpack turns an image's layers into committed snapshots.
//
// Layers are unpacked while they stream in, several at once where snapshots
// hold only their own change (snapshot.Rebaser): such a layer is filled without
// knowing what is below, and put onto its parent when that is committed. Only a
// layer that leaves out a parent directory, or links to a file below, waits.
package unpack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/moby/sys/userns"

	"cove/errdefs"
	"cove/internal/limit"
	"cove/layers"
	"cove/layers/apply"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/mount"
	"cove/layers/snapshot"
)

// Unpacker unpacks stacks of layers. Its fields are set before first use; it
// is then safe for concurrent use, also by several processes at once.
type Unpacker struct {
	Snapshots snapshot.Snapshotter
	// Archive and Compress bound and adapt what is applied.
	Archive  archive.Options
	Compress compress.Limits
	// Parallel is how many layers are open at once: 3 when zero. A
	// snapshotter that copies its parent unpacks one by one whatever it says.
	Parallel int
	// Hold, if set, is called with the key of each snapshot before it is made
	// and with the chainID before it is committed, so that the caller can put
	// them under a lease ("snapshot/" + key).
	Hold func(ctx context.Context, key string) error
	// Done, if set, is called after layer i is a committed snapshot, also for
	// one that was there already. Calls may come from several goroutines.
	Done func(i int, l layers.Layer)
}

// Open returns the blob of layer i as stored, in any compression.
type Open func(ctx context.Context, i int) (io.ReadCloser, error)

// Have returns how many of the layers, counted from the lowest, are committed
// snapshots already. Unpack will not open those.
func (u *Unpacker) Have(ctx context.Context, ls []layers.Layer) (int, error) {
	// From the top: a committed snapshot's parents are there as long as it is.
	for n := len(ls); n > 0; n-- {
		info, err := u.Snapshots.Stat(ctx, string(chain(ls[:n])))
		if err == nil && info.Kind == snapshot.Committed {
			return n, nil
		}
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			return 0, fmt.Errorf("unpacking: %w", err)
		}
	}
	return 0, nil
}

func chain(ls []layers.Layer) layers.ChainID {
	var c layers.ChainID
	for _, l := range ls {
		c = c.Append(l.DiffID)
	}
	return c
}

// Unpack makes sure that every prefix of ls, lowest layer first, is a
// committed snapshot named by its chainID. open is called at most once for
// each layer that is missing, from at most Parallel goroutines; its stream is
// read to its end (so a caller may tee it into content) and closed.
//
// A layer whose tar is not the one its DiffID names is errdefs.ErrCorrupt and
// nothing of it is kept; the layers below it stay.
func (u *Unpacker) Unpack(ctx context.Context, ls []layers.Layer, open Open) error {
	have, err := u.Have(ctx, ls)
	if err != nil {
		return err
	}
	for i := range have {
		u.done(i, ls[i])
	}
	run := &run{Unpacker: u, ls: ls, open: open, have: have}
	run.rebaser, _ = u.Snapshots.(snapshot.Rebaser)
	var c layers.ChainID
	for i, l := range ls {
		c = c.Append(l.DiffID)
		run.chains = append(run.chains, string(c))
		run.committed = append(run.committed, make(chan struct{}))
		if i < have {
			close(run.committed[i])
		}
	}
	return run.all(ctx)
}

func (u *Unpacker) done(i int, l layers.Layer) {
	if u.Done != nil {
		u.Done(i, l)
	}
}

func (u *Unpacker) hold(ctx context.Context, key string) error {
	if u.Hold == nil {
		return nil
	}
	return u.Hold(ctx, key)
}

// run is one call of Unpack.
type run struct {
	*Unpacker
	ls        []layers.Layer
	open      Open
	have      int
	rebaser   snapshot.Rebaser // nil: one by one
	chains    []string         // chainID of each layer
	committed []chan struct{}  // closed when that chainID is a committed snapshot
}

func (r *run) all(ctx context.Context) error {
	n := r.Parallel
	if n <= 0 {
		n = 3
	}
	if r.rebaser == nil {
		n = 1
	}
	// Layers start from the lowest, so whoever waits for one below it waits
	// for one that has started.
	lowestFirst := func(yield func(int) bool) {
		for i := r.have; i < len(r.ls); i++ {
			if !yield(i) {
				return
			}
		}
	}
	return limit.Each(ctx, n, lowestFirst, func(ctx context.Context, i int) error {
		if err := r.layer(ctx, i); err != nil {
			return fmt.Errorf("unpacking layer %d of %d, %s: %w", i+1, len(r.ls), r.ls[i].Blob.Digest, err)
		}
		close(r.committed[i])
		r.done(i, r.ls[i])
		return nil
	})
}

func (r *run) parent(i int) string {
	if i == 0 {
		return ""
	}
	return r.chains[i-1]
}

// layer makes layer i a committed snapshot.
func (r *run) layer(ctx context.Context, i int) (err error) {
	key := "unpack/" + rand.Text()
	for _, k := range []string{key, r.chains[i]} {
		if err := r.hold(ctx, k); err != nil {
			return err
		}
	}
	m, err := r.prepare(ctx, key, i)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			rerr := r.Snapshots.Remove(context.WithoutCancel(ctx), key)
			if !errors.Is(rerr, errdefs.ErrNotFound) {
				err = errors.Join(err, rerr)
			}
		}
	}()
	res, err := r.apply(ctx, i, r.target(m, i))
	if err != nil {
		return err
	}
	if err := apply.Verify(res, r.ls[i]); err != nil {
		return err
	}
	if err := r.Snapshots.SetSize(ctx, r.chains[i], res.FileBytes); err != nil {
		return err
	}
	err = r.commit(ctx, key, i)
	if errors.Is(err, errdefs.ErrExists) {
		return nil // another process was faster; the content is the same by name
	}
	return err
}

func (r *run) prepare(ctx context.Context, key string, i int) (mount.Mount, error) {
	if r.rebaser != nil {
		return r.Snapshots.Prepare(ctx, key, "")
	}
	return r.Snapshots.Prepare(ctx, key, r.parent(i))
}

// target is where layer i goes, and how it finds what is below.
func (r *run) target(m mount.Mount, i int) apply.Target {
	if r.rebaser == nil {
		return apply.TargetOf(m)
	}
	to := apply.Target{Dir: m.Source, Overlay: true, UserXattr: userns.RunningInUserNS()}
	if i > 0 {
		to.Lower = func(ctx context.Context) ([]string, error) { return r.below(ctx, i) }
	}
	return to
}

// below waits for the layers below i and returns their directories, topmost
// first.
func (r *run) below(ctx context.Context, i int) ([]string, error) {
	if err := r.wait(ctx, i); err != nil {
		return nil, err
	}
	m, err := r.Snapshots.Mounts(ctx, r.parent(i))
	if err != nil {
		return nil, err
	}
	if m.Type == "bind" {
		return []string{m.Source}, nil
	}
	return m.Lower, nil
}

func (r *run) wait(ctx context.Context, i int) error {
	select {
	case <-r.committed[i-1]:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *run) commit(ctx context.Context, key string, i int) error {
	if r.rebaser == nil {
		return r.Snapshots.Commit(ctx, r.chains[i], key)
	}
	if i > 0 {
		if err := r.wait(ctx, i); err != nil {
			return err
		}
	}
	return r.rebaser.CommitOnto(ctx, r.chains[i], key, r.parent(i))
}

// apply streams layer i into its snapshot.
func (r *run) apply(ctx context.Context, i int, to apply.Target) (res apply.Result, err error) {
	blob, err := r.open(ctx, i)
	if err != nil {
		return res, err
	}
	// Closed before the decompressor, which may be reading from it.
	closed := false
	closeBlob := func() error {
		if closed {
			return nil
		}
		closed = true
		return blob.Close()
	}
	defer func() { err = errors.Join(err, closeBlob()) }()
	tar, err := compress.NewReader(ctx, blob, r.Compress)
	if err != nil {
		return res, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeBlob())
		}
		_ = tar.Close()
	}()
	if res, err = apply.Apply(ctx, to, tar, r.Archive); err != nil {
		return res, err
	}
	// Padding after the compressed stream is the blob's too.
	_, err = io.Copy(io.Discard, blob)
	return res, err
}
