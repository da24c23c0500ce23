package remotecache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cove/builder/cachemount"
	"cove/builder/remotecache/chunks"
	"cove/content"
	"cove/content/memstore"
	"cove/distribution/copy"
	"cove/errdefs"
	"cove/layers/apply"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/diff"
	"cove/layers/mount"
)

// DefaultQuota is how many bytes of files a cache mount may have to travel.
const DefaultQuota = 2 << 30

// MountID is the id of the directory that a cache mount has here. One that an import
// has is a directory of its own for that import: what came from elsewhere is seen by
// those builds alone that import from there, and the exports of another branch are
// another place.
func (c *Cache) MountID(id string) string {
	own := id
	for _, from := range c.imported {
		if len(from.mounts[id]) > 0 {
			own = id + "\x00" + from.name + "\x00" + from.ref
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mounts[id] = own
	return own
}

// SeedMount fills the directory of a new cache mount with what an import has of it, and
// says whether one has. What cannot be had is told by Lost, and the mount begins empty.
func (c *Cache) SeedMount(ctx context.Context, id, dir string) (bool, error) {
	for _, from := range c.imported {
		descs := from.mounts[id]
		if len(descs) == 0 {
			continue
		}
		r := chunks.NewReader(ctx, from.source, descs)
		lim := compress.Limits{Bytes: from.quota}
		_, err := apply.Apply(ctx, apply.Target{Dir: dir}, &bounded{r: r, left: lim.Bytes}, archive.Options{})
		if err = errors.Join(err, r.Close()); err == nil {
			return true, nil
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		c.note(fmt.Errorf("build cache %s: cache mount %s begins empty: %w", from.name, id, err))
		if err := empty(dir); err != nil {
			return false, err
		}
		return false, nil
	}
	return false, nil
}

// bounded ends a stream that is longer than it may be.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errdefs.Errorf(errdefs.ErrExhausted, "it is larger than its quota: give mounts-quota=SIZE")
	}
	return n, err
}

// empty removes what is in a directory.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
	}
	return nil
}

func (c *Cache) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = append(c.lost, err)
}

// exportMounts sends the cache mounts that the build's steps have, those of cached steps
// too. One that is larger than the
// quota, or that another build uses now, is left out, which Lost tells.
func (c *Cache) exportMounts(ctx context.Context, to To) (map[string][]ocispec.Descriptor, error) {
	all := map[string][]ocispec.Descriptor{}
	if !to.Mounts {
		return all, nil
	}
	c.mu.Lock()
	used := maps.Clone(c.mounts)
	c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(used)) {
		descs, err := sendMount(ctx, to, used[id])
		switch {
		case errors.Is(err, errLeftOut):
			c.note(fmt.Errorf("exporting the build cache to %s: cache mount %s: %w", to.Name, id, err))
		case err == nil && len(descs) == 0: // no step needed what an import has
			descs, err = c.passOn(ctx, to, id)
		}
		if err != nil && !errors.Is(err, errLeftOut) {
			return nil, fmt.Errorf("cache mount %s: %w", id, err)
		}
		if len(descs) > 0 {
			all[id] = descs
		}
	}
	return all, nil
}

// passOn sends a cache mount as an import has it. What is no longer there is no mount.
func (c *Cache) passOn(ctx context.Context, to To, id string) ([]ocispec.Descriptor, error) {
	for _, from := range c.imported {
		if len(from.mounts[id]) == 0 {
			continue
		}
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(transfers)
		var near []string
		if repo := neighbour(to, from); repo != "" {
			near = []string{repo}
		}
		for _, desc := range from.mounts[id] {
			g.Go(func() error {
				return to.Target.PushBlob(gctx, copy.Blob{Descriptor: desc, Content: from.source, MountFrom: near})
			})
		}
		err := g.Wait()
		if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrCorrupt) {
			c.note(fmt.Errorf("build cache %s: cache mount %s: %w", from.name, id, err))
			return nil, nil
		}
		return from.mounts[id], err
	}
	return nil, nil
}

var errLeftOut = errors.New("it is left out")

func sendMount(ctx context.Context, to To, id string) (descs []ocispec.Descriptor, err error) {
	dir, err := cachemount.Hold(to.State, id)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return nil, nil
	case errors.Is(err, errdefs.ErrUnavailable):
		return nil, fmt.Errorf("%w: another build uses it", errLeftOut)
	case err != nil:
		return nil, err
	}
	defer func() {
		if err = errors.Join(err, dir.Close()); err != nil {
			descs = nil
		}
	}()
	size, err := sizeOf(dir.Files)
	if err != nil {
		return nil, err
	}
	if size > to.Quota {
		return nil, fmt.Errorf("%w: its %d bytes are more than mounts-quota, %d", errLeftOut, size, to.Quota)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(transfers)
	w := chunks.NewWriter(func(body []byte) error {
		desc := ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageLayerZstd, Digest: digest.FromBytes(body), Size: int64(len(body)),
		}
		descs = append(descs, desc)
		small := memstore.New(time.Now)
		if _, err := content.WriteBytes(gctx, small, desc, body); err != nil {
			return err
		}
		g.Go(func() error { return to.Target.PushBlob(gctx, copy.Blob{Descriptor: desc, Content: small}) })
		return gctx.Err()
	})
	_, err = diff.Write(ctx, w, mount.Mount{Type: "bind", Source: dir.Files}, diff.Options{})
	if err == nil {
		err = w.Close()
	}
	if gerr := g.Wait(); gerr != nil {
		err = gerr
	}
	return descs, err
}

// sizeOf adds up the files of a directory, each with room for its header.
func sizeOf(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += 1024
			if info.Mode().IsRegular() {
				total += info.Size()
			}
		}
		return err
	})
	if err != nil {
		err = errdefs.Errorf(errdefs.ErrUnavailable, "build: cache mount: %w", err)
	}
	return total, err
}
