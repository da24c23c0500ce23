package images

import (
	"context"
	"errors"
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cove/content"
	"cove/errdefs"
	"cove/layers"
	"cove/layers/snapshot"
	"cove/layers/unpack"
)

// Unpack makes sure that img's layers are blobs here and committed snapshots
// named by their chainIDs. Of img it needs Layers and, for layers that are not
// here, Source. What arrives is stored and unpacked in one pass. hold may be
// nil if a name or another lease covers the layers already.
func (s *Store) Unpack(ctx context.Context, img Image, hold content.Lease, progress Progress) error {
	if hold == nil {
		own, err := s.cfg.Content.Lease(ctx)
		if err != nil {
			return err
		}
		defer own.Release()
		hold = own
	}
	// First the lease, then the look at what is here: what is seen stays.
	if err := hold.Add(ctx, layerRefs(img.Layers)...); err != nil {
		return err
	}
	err := s.unpack(ctx, img, hold, progress)
	if !errors.Is(err, errdefs.ErrCorrupt) {
		return err
	}
	// A blob that rotted here is thrown away and fetched again, once.
	healed, healErr := s.dropCorrupt(ctx, img.Layers)
	if healErr != nil || !healed || img.Source.Repository == "" || s.cfg.Registry == nil {
		return errors.Join(err, healErr)
	}
	return s.unpack(ctx, img, hold, progress)
}

func layerRefs(ls []layers.Layer) []string {
	var refs []string
	for n, l := range ls {
		refs = append(refs, l.Blob.Digest.String(), snapshotPrefix+string(chainOf(ls[:n+1])))
	}
	return refs
}

func (s *Store) unpack(ctx context.Context, img Image, hold content.Lease, progress Progress) error {
	p := &puller{s: s, img: img, progress: progress}
	u := unpack.Unpacker{
		Snapshots: s.cfg.Snapshots,
		Hold:      func(ctx context.Context, key string) error { return hold.Add(ctx, snapshotPrefix+key) },
	}
	have := len(img.Layers)
	if s.cfg.Snapshots != nil {
		var err error
		if have, err = u.Have(ctx, img.Layers); err != nil {
			return err
		}
	}
	u.Done = func(i int, l layers.Layer) {
		if i >= have {
			progress.tell(Event{Kind: Complete, Desc: l.Blob, Offset: l.Blob.Size})
		}
	}
	for _, l := range img.Layers {
		progress.tell(Event{Kind: Waiting, Desc: l.Blob})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.fetchOnly(ctx, img.Layers[:have]) })
	if have == len(img.Layers) {
		return g.Wait()
	}
	g.Go(func() error { return u.Unpack(ctx, img.Layers, p.open) })
	if err := g.Wait(); err != nil {
		return err
	}
	// A snapshot that a power cut left with empty files would be taken for
	// whole: its files are durable before anything counts on them.
	if k, ok := s.cfg.Snapshots.(snapshot.Keeper); ok {
		return k.Sync()
	}
	return nil
}

// puller opens the layers of one image, from here or from its registry.
type puller struct {
	s        *Store
	img      Image
	progress Progress
}

// fetchOnly brings the blobs of layers whose snapshots are here already.
func (p *puller) fetchOnly(ctx context.Context, ls []layers.Layer) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(3)
	for _, l := range ls {
		if _, err := p.s.cfg.Content.Stat(ctx, l.Blob.Digest); err == nil {
			p.progress.tell(Event{Kind: AlreadyExists, Desc: l.Blob, Offset: l.Blob.Size})
			continue
		}
		g.Go(func() error {
			r, err := p.download(ctx, l.Blob)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, r)
			if err = errors.Join(err, r.Close()); err == nil {
				p.progress.tell(Event{Kind: Complete, Desc: l.Blob, Offset: l.Blob.Size})
			}
			return err
		})
	}
	return g.Wait()
}

func (p *puller) open(ctx context.Context, i int) (io.ReadCloser, error) {
	desc := p.img.Layers[i].Blob
	r, err := p.stored(ctx, desc)
	if errors.Is(err, errdefs.ErrNotFound) {
		return p.download(ctx, desc)
	}
	return r, err
}

// stored reads a blob that is here, verifying it on the way: rot is found before
// the snapshot is committed.
func (p *puller) stored(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	r, err := p.s.cfg.Content.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	told := &teller{r: content.Verify(content.NewReader(r), desc), tell: func(n int64) {
		p.progress.tell(Event{Kind: Extracting, Desc: desc, Offset: n})
	}}
	return readCloser{told, r}, nil
}

// download streams a blob from the registry through the content store. Another
// process may be fetching the same one: then it is waited for.
func (p *puller) download(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	repo, err := p.s.repository(p.img.Source)
	if err != nil || p.img.Source.Repository == "" {
		return nil, errors.Join(err, errdefs.Errorf(errdefs.ErrNotFound, "layer %s: is not here, and where it came from is not known", desc.Digest))
	}
	id := "pull/" + desc.Digest.String()
	for {
		w, err := p.s.cfg.Content.Begin(ctx, id)
		if err == nil {
			// Whoever held it before may have finished it.
			if r, err := p.stored(ctx, desc); err == nil {
				return r, errors.Join(w.Close(), ignoreNotFound(p.s.cfg.Content.Abort(ctx, id)))
			}
			return startDownload(ctx, repo, w, desc, p.progress), nil
		}
		if !errors.Is(err, errdefs.ErrUnavailable) {
			return nil, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
		if r, err := p.stored(ctx, desc); !errors.Is(err, errdefs.ErrNotFound) {
			return r, err
		}
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dropCorrupt deletes those blobs of the layers that no longer have their
// digest, and reports whether there were any.
func (s *Store) dropCorrupt(ctx context.Context, ls []layers.Layer) (bool, error) {
	dropped := false
	for _, l := range ls {
		r, err := s.cfg.Content.Open(ctx, l.Blob)
		if err == nil {
			_, err = io.Copy(io.Discard, content.Verify(content.NewReader(r), l.Blob))
			_ = r.Close()
		}
		if !errors.Is(err, errdefs.ErrCorrupt) {
			continue
		}
		if err := s.cfg.Content.Delete(ctx, l.Blob.Digest); err != nil {
			return dropped, err
		}
		dropped = true
	}
	return dropped, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// teller reports how far a reader is, about every megabyte.
type teller struct {
	r       io.Reader
	n, told int64
	tell    func(n int64)
}

func (t *teller) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += int64(n)
	if t.n-t.told >= 1<<20 || err != nil {
		t.told = t.n
		t.tell(t.n)
	}
	return n, err
}
