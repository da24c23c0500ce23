package remotecache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/cache"
	"cove/builder/upload"
	"cove/content"
	"cove/errdefs"
	"cove/internal/limit"
	"cove/layers"
)

// Records are what a cache here is: solve.Cache.
type Records interface {
	Get(ctx context.Context, key digest.Digest) (cache.Record, error)
	Put(ctx context.Context, key digest.Digest, r cache.Record) error
}

// Store keeps the layers that are fetched.
type Store interface {
	content.Provider
	content.Ingester
	Stat(ctx context.Context, dgst digest.Digest) (content.Info, error)
}

// Cache is a cache here with those that were imported behind it. It remembers what
// a build asked for, which is what the build exports. It is safe for concurrent
// use.
type Cache struct {
	here     Records
	store    Store
	imported []*imported
	sent     upload.Streams
	names    []string // of the caches that the streams of sent go to

	fetching limit.Keyed   // layers, by their digests
	slots    chan struct{} // of the fetches at once
	wanted   sync.WaitGroup

	mu      sync.Mutex
	stops   []context.CancelFunc
	touched map[digest.Digest]cache.Record
	lost    []error
	liars   map[layers.DiffID]digest.Digest // layers that a record named and that are others
	mounts  map[string]string               // ids of cache mounts that were used: what their directories are called
}

// ErrLost is in the error of a layer that a cache was to have and could not give. The
// cache does not know it any more: who tries again makes it anew.
var ErrLost = errors.New("the build cache has no such layer")

// Lost tells, once, which layers were lost, and which cache mounts did not travel.
func (c *Cache) Lost() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := c.lost
	c.lost = nil
	return lost
}

// lose forgets that a cache has a layer, unless it is the caller who gave up, or a disk
// here that is full.
func (c *Cache) lose(ctx context.Context, from *imported, blob digest.Digest, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, errdefs.ErrExhausted) {
		return err
	}
	err = fmt.Errorf("build cache %s: layer %s: %w", from.name, blob, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(from.blobs, blob)
	maps.DeleteFunc(c.touched, func(_ digest.Digest, r cache.Record) bool { return r.Blob.Digest == blob })
	c.lost = append(c.lost, err)
	return fmt.Errorf("%w (%w)", err, ErrLost)
}

// having are the caches that have a layer.
func (c *Cache) having(blob digest.Digest) (all []*imported) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, from := range c.imported {
		if from.blobs[blob] {
			all = append(all, from)
		}
	}
	return all
}

// New puts imported caches behind the one that is here.
func New(here Records, store Store) *Cache {
	return &Cache{
		here: here, store: store, touched: map[digest.Digest]cache.Record{}, mounts: map[string]string{},
		liars: map[layers.DiffID]digest.Digest{},
		slots: make(chan struct{}, transfers),
	}
}

// Get returns the record of a key: one that is here and whose layer is, or else
// the first that was imported.
func (c *Cache) Get(ctx context.Context, key digest.Digest) (cache.Record, error) {
	r, err := c.here.Get(ctx, key)
	if err == nil && c.lied(r) {
		err = errdefs.Errorf(errdefs.ErrNotFound, "build cache: %s is not what its record says", r.Blob.Digest)
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		for _, from := range c.imported {
			if other, ok := from.records[key]; ok && !c.lied(other) {
				other.Read = "" // it is of no file here
				r, err = other, c.here.Put(ctx, key, other)
				break
			}
		}
	}
	if err == nil {
		c.touch(key, r)
	}
	return r, err
}

func (c *Cache) lied(r cache.Record) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	blob, found := c.liars[r.DiffID]
	return found && blob == r.Blob.Digest
}

// Unpacked is told how unpacking a layer went. One that was imported, and is not the tar
// that its record names, is lost: who tries again makes it anew.
func (c *Cache) Unpacked(ctx context.Context, l layers.Layer, err error) error {
	if !errors.Is(err, errdefs.ErrCorrupt) && !errors.Is(err, errdefs.ErrInvalid) {
		return err
	}
	for _, from := range c.having(l.Blob.Digest) {
		c.mu.Lock()
		c.liars[l.DiffID] = l.Blob.Digest
		c.mu.Unlock()
		err = c.lose(ctx, from, l.Blob.Digest, err)
	}
	return err
}

// Put notes a record here.
func (c *Cache) Put(ctx context.Context, key digest.Digest, r cache.Record) error {
	c.touch(key, r)
	return c.here.Put(ctx, key, r)
}

func (c *Cache) touch(key digest.Digest, r cache.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched[key] = r
}

// Has says whether a layer can be fetched.
func (c *Cache) Has(blob digest.Digest) bool { return len(c.having(blob)) > 0 }

// Want begins to fetch a layer that an image will have, unless it is here: beside whatever
// the caller does next. Fetch waits for that, and says what came of it. Stop ends it.
func (c *Cache) Want(ctx context.Context, l layers.Layer) {
	if !c.Has(l.Blob.Digest) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stops = append(c.stops, cancel)
	c.wanted.Go(func() { _ = c.Fetch(ctx, l) })
}

// Fetch brings a layer here, unless it is, and checks that it is the one of its digest:
// whether its tar is that of its diffID is seen by whoever unpacks it, as of any layer that
// is pulled. To unpack each only to look takes longer than the rest of a build that needs
// none of the files. The caller holds a lease on it.
func (c *Cache) Fetch(ctx context.Context, l layers.Layer) error {
	unlock, err := c.fetching.Lock(ctx, l.Blob.Digest.String())
	if err != nil {
		return err
	}
	defer unlock()
	if info, err := c.store.Stat(ctx, l.Blob.Digest); err == nil && info.Size == l.Blob.Size {
		return nil
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err = errdefs.Errorf(errdefs.ErrNotFound, "build cache: layer %s: %w", l.Blob.Digest, ErrLost)
	for _, from := range c.having(l.Blob.Digest) {
		if err = c.lose(ctx, from, l.Blob.Digest, c.fetch(ctx, from, l)); err == nil {
			return nil
		}
	}
	return err
}

func (c *Cache) fetch(ctx context.Context, from *imported, l layers.Layer) error {
	r, err := from.source.Open(ctx, l.Blob)
	if err != nil {
		return err
	}
	return errors.Join(content.WriteBlob(ctx, c.store, l.Blob, content.NewReader(r)), r.Close())
}

// Open implements content.Provider over the store and everything that was
// imported, so that what was never needed here can still be exported.
func (c *Cache) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	r, err := c.store.Open(ctx, desc)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return r, err
	}
	for _, from := range c.having(desc.Digest) {
		if r, err = from.source.Open(ctx, desc); err == nil {
			return r, nil
		}
		err = c.lose(ctx, from, desc.Digest, err)
	}
	return nil, err
}

// document is what the build asked for: all of it, or what the given layers are
// made by. Records whose layer is nowhere as a blob are left out.
func (c *Cache) document(of []layers.Layer, everything bool) (Document, []digest.Digest) {
	wanted := map[layers.DiffID]bool{}
	for _, l := range of {
		wanted[l.DiffID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d := Document{Records: map[digest.Digest]cache.Record{}}
	for key, r := range c.touched {
		if r.DiffID == "" || r.Blob.Digest != "" && (everything || wanted[r.DiffID]) {
			r.Took, r.Step, r.Read = 0, "", ""
			d.Records[key] = r
		}
	}
	return d, slices.Sorted(maps.Keys(d.Records))
}
