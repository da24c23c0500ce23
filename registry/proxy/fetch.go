package proxy

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/span"
)

// piece is how many bytes are moved at once.
const piece = 256 << 10

// fetch is a blob on its way here. It is stored and read by any number of clients
// as it comes; the last byte is given to nobody before all of them are durable and
// were held against the digest.
type fetch struct {
	repo string
	dgst digest.Digest
	open func(ctx context.Context) (content.Reader, error) // the stored blob

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, with each step
	size    int64         // -1 until it is known
	written int64
	from    io.ReaderAt // what was written
	done    bool
	err     error
}

func newFetch(repo string, dgst digest.Digest) *fetch {
	return &fetch{repo: repo, dgst: dgst, size: -1, changed: make(chan struct{})}
}

// step changes the state and wakes who waits.
func (f *fetch) step(change func()) {
	f.mu.Lock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
}

// until waits for something to be so, or for a failure.
func (f *fetch) until(ctx context.Context, so func() bool) error {
	for {
		f.mu.Lock()
		ready, err, changed := so(), f.err, f.changed
		f.mu.Unlock()
		if ready || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run brings the blob into the registry.
func (f *fetch) run(ctx context.Context, u *upstream, into distribution.Registry, spool string) {
	err := f.bring(ctx, u, into, spool)
	f.step(func() { f.done, f.err = err == nil, err })
}

func (f *fetch) bring(ctx context.Context, u *upstream, into distribution.Registry, spool string) (err error) {
	desc, err := u.blob(ctx, f.repo, f.dgst)
	if err != nil {
		return err
	}
	f.step(func() { f.size = desc.Size })
	// That the upstream has it in this repository was just asked.
	if _, err := into.MountBlob(ctx, f.repo, "", f.dgst); err == nil {
		return nil
	}
	release, err := u.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	up, err := into.StartUpload(ctx, f.repo)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = up.Cancel(context.WithoutCancel(ctx)) // the reason is err; what stays expires
		}
	}()
	to, closeSpool, err := f.readable(ctx, up, spool)
	if err != nil {
		return err
	}
	defer closeSpool()
	_, end := span.Start(ctx, span.Upstream, u.Host+" bytes of "+f.dgst.String())
	body, err := u.remote(f.repo).Repo.OpenBlob(ctx, desc, 0, nil)
	if err == nil {
		err = f.copy(ctx, u, to, body)
		err = errors.Join(err, body.Close())
	}
	end(err)
	var ours stored
	if errors.As(err, &ours) {
		return ours.error
	}
	key := "blob " + f.repo + "@" + f.dgst.String()
	if err = u.heard(key, err); err != nil {
		return err
	}
	if _, err = up.Commit(ctx, f.dgst); errors.Is(err, errdefs.ErrCorrupt) {
		err = u.heard(key, err)
	}
	return err
}

// readable finds what others read while the upload is written: the upload itself,
// or, where a storage cannot give back what it was given, a file beside it.
func (f *fetch) readable(ctx context.Context, up distribution.Upload, spool string) (io.Writer, func(), error) {
	if w, ok := up.(interface {
		Written(ctx context.Context) io.ReaderAt
	}); ok {
		if from := w.Written(ctx); from != nil {
			f.step(func() { f.from = from })
			return up, func() {}, nil
		}
	}
	file, err := os.CreateTemp(spool, ".proxy-")
	if err != nil {
		return nil, nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	f.step(func() { f.from = file })
	return io.MultiWriter(up, file), func() { _ = file.Close() }, nil // it has no name any more
}

func (f *fetch) copy(ctx context.Context, u *upstream, to io.Writer, body io.Reader) error {
	buf := make([]byte, piece)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if u.limit != nil {
				if err := u.limit.WaitN(ctx, n); err != nil {
					return err
				}
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return stored{err}
			}
			f.step(func() { f.written += int64(n) })
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// stored is a failure of our storage, and none of the upstream.
type stored struct{ error }

func (s stored) Unwrap() error { return s.error }

// follower reads a blob that is on its way. It is a content.Reader.
type follower struct {
	ctx context.Context //nolint:containedctx // that of the request, which ends with Close
	f   *fetch

	mu    sync.Mutex
	whole content.Reader // the stored blob, once it is needed
}

var _ content.Reader = (*follower)(nil)

// Size implements content.Reader.
func (r *follower) Size() int64 { return r.f.size }

// ReadAt implements content.Reader. It waits for the bytes.
func (r *follower) ReadAt(p []byte, off int64) (n int, err error) {
	if off >= r.f.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > r.f.size-off
	if short {
		p = p[:r.f.size-off]
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
func (r *follower) some(p []byte, off int64) (int, error) {
	var ready int64
	var from io.ReaderAt
	done := false
	err := r.f.until(r.ctx, func() bool {
		done, from = r.f.done, r.f.from
		ready = min(r.f.written, r.f.size-1)
		return done || off < ready
	})
	if err != nil {
		return 0, err
	}
	if !done {
		n, err := from.ReadAt(p[:min(int64(len(p)), ready-off)], off)
		if err == nil || errors.Is(err, io.EOF) && n > 0 {
			return n, nil
		}
		if !errors.Is(err, os.ErrClosed) {
			return n, err
		}
		// It is being committed.
		if err := r.f.until(r.ctx, func() bool { return r.f.done }); err != nil {
			return 0, err
		}
	}
	whole, err := r.stored()
	if err != nil {
		return 0, err
	}
	return whole.ReadAt(p, off)
}

func (r *follower) stored() (_ content.Reader, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.whole == nil {
		r.whole, err = r.f.open(r.ctx)
	}
	return r.whole, err
}

// Close implements content.Reader. The blob goes on coming: the next client has it.
func (r *follower) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.whole == nil {
		return nil
	}
	return r.whole.Close()
}

// fetch returns the one on the way, or begins it.
func (p *Proxies) fetch(
	ctx context.Context, u *upstream, into distribution.Registry, repo string, dgst digest.Digest,
) *fetch {
	key := repo + "@" + dgst.String()
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.fetches[key]; f != nil {
		return f
	}
	f := newFetch(repo, dgst)
	f.open = func(ctx context.Context) (content.Reader, error) { return into.OpenBlob(ctx, repo, dgst) }
	u.fetches[key] = f
	p.workers.Go(func() {
		f.run(p.through(span.Carry(p.own, ctx), ctx), u, into, p.cfg.Spool) // it outlives who asked first
		u.mu.Lock()
		delete(u.fetches, key)
		u.mu.Unlock()
	})
	return f
}

// follow waits until it is known how long a blob is, and that it is to be had.
func (p *Proxies) follow(
	ctx context.Context, u *upstream, into distribution.Registry, repo string, dgst digest.Digest,
) (content.Reader, error) {
	f := p.fetch(ctx, u, into, repo, dgst)
	if err := f.until(ctx, func() bool { return f.size >= 0 }); err != nil {
		return nil, err
	}
	return &follower{ctx: ctx, f: f}, nil
}
