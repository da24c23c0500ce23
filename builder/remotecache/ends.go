package remotecache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cove/builder/cache"
	"cove/builder/export"
	"cove/builder/upload"
	"cove/content"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/distribution/manifest"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/layers"
)

// From is a cache to import: a cache image, or an image that has its cache in its
// config.
type From struct {
	// Name is for people.
	Name   string
	Source copy.Source
	// Ref is a tag or digest of the source.
	Ref string
	// Mounts takes cache mounts from there, of at most Quota bytes each.
	Mounts bool
	Quota  int64
}

// To is where a cache is exported.
type To struct {
	Name   string // for people
	Target copy.Target
	Tag    string
	// Max exports what every step made, and not just the layers of the image.
	Max bool
	// IgnoreError says that the build succeeds without it.
	IgnoreError bool
	// Mounts exports the cache mounts, below State, that the build used, of at most
	// Quota bytes each.
	Mounts bool
	Quota  int64
	State  string
}

// imported is a cache elsewhere.
type imported struct {
	name    string
	ref     string
	mounts  map[string][]ocispec.Descriptor // nil: none are taken
	quota   int64
	source  copy.Source
	records map[digest.Digest]cache.Record
	blobs   map[digest.Digest]bool
}

// Import reads the records of a cache. One that is not there is
// errdefs.ErrNotFound: a first build has none.
func (c *Cache) Import(ctx context.Context, from From) error {
	m, err := from.Source.Resolve(ctx, from.Ref)
	if err != nil {
		return fmt.Errorf("importing the build cache %s: %w", from.Name, err)
	}
	in := &imported{
		name: from.Name, ref: from.Ref, source: from.Source, quota: from.Quota,
		records: map[digest.Digest]cache.Record{}, blobs: map[digest.Digest]bool{},
	}
	if from.Mounts {
		in.mounts = map[string][]ocispec.Descriptor{}
	}
	if err := in.read(ctx, m, 0); err != nil {
		return fmt.Errorf("importing the build cache %s: %w", from.Name, err)
	}
	c.imported = append(c.imported, in)
	return nil
}

// deepest is how many indexes may be in one another.
const deepest = 3

// read takes the records of a manifest, or of all in an index.
func (in *imported) read(ctx context.Context, m distribution.Manifest, depth int) error {
	parsed, err := manifest.Parse(m.Descriptor.MediaType, m.Body)
	if err != nil {
		return err
	}
	if manifest.IsIndex(parsed.MediaType) {
		if depth == deepest {
			return errdefs.Errorf(errdefs.ErrInvalid, "its indexes are nested deeper than %d", deepest)
		}
		for _, child := range parsed.Manifests {
			m, err := in.source.Resolve(ctx, child.Digest.String())
			if err == nil {
				err = in.read(ctx, m, depth+1)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if parsed.Config == nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "it is an artifact (%s) and no build cache", parsed.ArtifactType)
	}
	body, err := in.config(ctx, *parsed.Config)
	if err != nil {
		return err
	}
	doc, err := parse(body)
	if parsed.Config.MediaType != mediaType {
		doc, err = inlineOf(body)
	}
	if err != nil {
		return err
	}
	for _, l := range parsed.Layers {
		in.blobs[l.Digest] = true
	}
	for key, r := range doc.Records {
		if r.Blob.Digest == "" || in.blobs[r.Blob.Digest] {
			in.records[key] = r
		}
	}
	if in.mounts != nil {
		maps.Copy(in.mounts, doc.Mounts)
	}
	return nil
}

// config reads a config and checks its digest.
func (in *imported) config(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > maxDocument {
		return nil, errdefs.Errorf(errdefs.ErrExhausted, "its config has %d bytes, more than %d", desc.Size,
			maxDocument)
	}
	r, err := in.source.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var buf bytes.Buffer
	_, err = io.Copy(&buf, content.Verify(io.LimitReader(content.NewReader(r), maxDocument), desc))
	return buf.Bytes(), err
}

// Begin begins to send what a build makes to where its cache is exported, so that little
// is left for Export. It returns what is told of each layer, nil where nothing is exported.
// step begins a step of the build's progress. Stop it.
func (c *Cache) Begin(ctx context.Context, all []To, step func(name string) export.Step) (made func(layers.Layer)) {
	if len(all) == 0 {
		return nil
	}
	for _, to := range all {
		c.names = append(c.names, to.Name)
		c.sent = append(c.sent, upload.Begin(ctx, upload.Destination{
			Name: to.Name, Then: "the export of the cache",
			Push: func(ctx context.Context, desc ocispec.Descriptor, tell progress.Func) error {
				if c.imports(to, desc) {
					tell.Tell(progress.Event{Kind: progress.AlreadyExists, Desc: desc})
					return nil
				}
				return c.push(ctx, to, desc)
			},
		}, step))
	}
	return func(l layers.Layer) { c.sent.Layer(l.Blob) }
}

// Wait waits for what Begin began to send, before Export. Stop ends it.
func (c *Cache) Wait() { c.sent.Wait() }

// Stop ends what Begin and Want began, and waits for that.
func (c *Cache) Stop() {
	c.sent.Stop()
	c.mu.Lock()
	for _, stop := range c.stops {
		stop()
	}
	c.mu.Unlock()
	c.wanted.Wait()
}

// push sends a layer, from here or from where it was imported: at one registry that is a
// mount.
func (c *Cache) push(ctx context.Context, to To, desc ocispec.Descriptor) error {
	b := copy.Blob{Descriptor: desc, Content: c}
	for _, from := range c.having(desc.Digest) {
		if repo := neighbour(to, from); repo != "" {
			b.MountFrom = append(b.MountFrom, repo)
		}
	}
	return to.Target.PushBlob(ctx, b)
}

// neighbour is the repository of an import at the registry that an export goes to, or "".
func neighbour(to To, from *imported) string {
	m, ok := to.Target.(copy.Mounter)
	if !ok {
		return ""
	}
	repo, _ := m.Neighbour(from.source)
	return repo
}

// imports says whether a layer was imported from where an export goes.
func (c *Cache) imports(to To, layer ocispec.Descriptor) bool {
	itself, ok := to.Target.(copy.Source)
	if !ok {
		return false
	}
	own := neighbour(to, &imported{source: itself})
	return own != "" && slices.ContainsFunc(c.having(layer.Digest), func(from *imported) bool {
		return neighbour(to, from) == own
	})
}

// unsent are those of some layers that are not at the end of an export: Begin did not
// send them, and nothing was imported from there that has them.
func (c *Cache) unsent(to To, blobs []ocispec.Descriptor) []ocispec.Descriptor {
	begun := slices.Index(c.names, to.Name)
	return slices.DeleteFunc(slices.Clone(blobs), func(d ocispec.Descriptor) bool {
		return begun >= 0 && c.sent[begun].Sent(d.Digest) || c.imports(to, d)
	})
}

// Inline is the document of an image's own layers, for its config.
func (c *Cache) Inline(of []layers.Layer) (json.RawMessage, error) {
	doc, _ := c.document(of, false)
	return json.Marshal(doc)
}

// transfers bounds the layers that are sent at once.
const transfers = 4

// Export sends what the build asked for, of which the image has the given layers. What
// was imported and is no longer there is left out.
func (c *Cache) Export(ctx context.Context, to To, of []layers.Layer) error {
	for {
		err := c.export(ctx, to, of)
		if !errors.Is(err, ErrLost) {
			return err
		}
	}
}

func (c *Cache) export(ctx context.Context, to To, of []layers.Layer) (err error) {
	doc, keys := c.document(of, to.Max)
	// The chunks are sent already; what is sent once is not sent again.
	if doc.Mounts, err = c.exportMounts(ctx, to); err != nil {
		return fmt.Errorf("exporting the build cache to %s: %w", to.Name, err)
	}
	blobs, records := doc.blobs(keys), Document{Records: doc.Records}.blobs(keys)
	config, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	m := manifestOf(config, blobs)
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	small := memstore.New(time.Now)
	if err := content.WriteBlob(ctx, small, m.Config, bytes.NewReader(config)); err != nil {
		return err
	}
	desc := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(body), Size: int64(len(body))}
	send := func(some []ocispec.Descriptor) error {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(transfers)
		g.Go(func() error { return to.Target.PushBlob(gctx, copy.Blob{Descriptor: m.Config, Content: small}) })
		for _, d := range some {
			g.Go(func() error { return c.push(gctx, to, d) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		return to.Target.PushManifest(ctx, distribution.Manifest{Descriptor: desc, Body: body}, to.Tag)
	}
	unsent := c.unsent(to, records)
	if err = send(unsent); err != nil && len(unsent) < len(records) && ctx.Err() == nil {
		err = send(records) // what was there may have gone
	}
	if err != nil {
		return fmt.Errorf("exporting the build cache to %s: %w", to.Name, err)
	}
	return nil
}
