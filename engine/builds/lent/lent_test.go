package lent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/errdefs"
)

// client has blobs in memory, and may lie.
type client struct {
	mu    sync.Mutex
	blobs map[digest.Digest][]byte
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

func (c *client) Open(_ context.Context, dgst digest.Digest) (Reader, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.blobs[dgst]
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no %s", dgst)
	}
	return reader{bytes.NewReader(b)}, nil
}

func (c *client) Write(_ context.Context, desc ocispec.Descriptor, r io.Reader) error {
	b, err := io.ReadAll(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blobs[desc.Digest] = b
	return err
}

func described(text string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: "x", Digest: digest.FromString(text), Size: int64(len(text))}
}

// TestEnds: what is pushed is there once, and is told when it has a tag.
func TestEnds(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := &client{blobs: map[digest.Digest][]byte{}}
	e := New(c)
	from := memstore.New(time.Now)
	if err := content.WriteBlob(ctx, from, described("layer"), bytes.NewReader([]byte("layer"))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.PushBlob(ctx, copy.Blob{Descriptor: described("layer"), Content: from}); err != nil {
			t.Fatal(err)
		}
	}
	body := distribution.Manifest{Descriptor: described("{}"), Body: []byte("{}")}
	if err := e.PushManifest(ctx, body, ""); err != nil || e.Written().Digest != "" {
		t.Errorf("without a tag: %v %v", e.Written(), err)
	}
	if err := e.PushManifest(ctx, body, "latest"); err != nil || e.Written().Digest != body.Descriptor.Digest {
		t.Errorf("with a tag: %v %v", e.Written(), err)
	}
	m, err := e.Resolve(ctx, body.Descriptor.Digest.String())
	if err != nil || string(m.Body) != "{}" {
		t.Errorf("%v %v", m, err)
	}
	if _, err := e.Resolve(ctx, "latest"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a tag: %v", err)
	}
	if _, err := e.Open(ctx, described("other")); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
}

// TestLies: other bytes than were asked for are found out, and what is cut off is sent again.
func TestLies(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := &client{blobs: map[digest.Digest][]byte{described("{}").Digest: []byte("[]"), described("layer").Digest: []byte("lay")}}
	e := New(c)
	if _, err := e.Resolve(ctx, described("{}").Digest.String()); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("another manifest: %v", err)
	}
	if _, err := e.Open(ctx, described("layer")); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("a layer that is cut off: %v", err)
	}
	from := memstore.New(time.Now)
	if err := content.WriteBlob(ctx, from, described("layer"), bytes.NewReader([]byte("layer"))); err != nil {
		t.Fatal(err)
	}
	err := e.PushBlob(ctx, copy.Blob{Descriptor: described("layer"), Content: from})
	if err != nil || string(c.blobs[described("layer").Digest]) != "layer" {
		t.Errorf("sent again: %q %v", c.blobs[described("layer").Digest], err)
	}
}
