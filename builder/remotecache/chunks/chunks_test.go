package chunks

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/errdefs"
	_ "cove/layers/compress/codec/linked"
)

// cut returns the chunks of data, stored.
func cut(t *testing.T, store *memstore.Store, data []byte, pieces int) (descs []ocispec.Descriptor) {
	t.Helper()
	w := NewWriter(func(packed []byte) error {
		desc, err := content.WriteBytes(t.Context(), store, ocispec.Descriptor{}, packed)
		descs = append(descs, desc)
		return err
	})
	for piece := range slices.Chunk(data, len(data)/pieces+1) {
		if n, err := w.Write(piece); err != nil || n != len(piece) {
			t.Fatal(n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return descs
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

func read(t *testing.T, store *memstore.Store, descs []ocispec.Descriptor) ([]byte, error) {
	t.Helper()
	r := NewReader(t.Context(), store, descs)
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

// TestChunks: they are the stream again, are cut alike however it is written, and what is
// put into the middle changes those around it alone.
func TestChunks(t *testing.T) {
	t.Parallel()
	store := memstore.New(time.Now)
	data := random(40 << 20)
	descs := cut(t, store, data, 1)
	if len(descs) < 5 {
		t.Fatalf("%d chunks", len(descs))
	}
	if got, err := read(t, store, descs); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if again := cut(t, store, data, 999); !slices.EqualFunc(descs, again, sameBlob) {
		t.Error("small writes are cut elsewhere")
	}
	changed := slices.Concat(data[:20<<20], []byte("something new"), data[20<<20:])
	kept := 0
	for _, d := range cut(t, store, changed, 3) {
		if slices.ContainsFunc(descs, func(o ocispec.Descriptor) bool { return sameBlob(d, o) }) {
			kept++
		}
	}
	if kept < len(descs)-2 {
		t.Errorf("%d of %d chunks are as before", kept, len(descs))
	}
	if descs := cut(t, store, make([]byte, 40<<20), 3); len(descs) < 3 || len(descs) > 40 {
		t.Errorf("zeros are %d chunks", len(descs))
	}
	if got, err := read(t, store, nil); err != nil || len(got) != 0 {
		t.Errorf("nothing: %d bytes, %v", len(got), err)
	}
}

func sameBlob(a, b ocispec.Descriptor) bool { return a.Digest == b.Digest }

// TestHostileChunks: others than are named, none, too long ones, and bombs.
func TestHostileChunks(t *testing.T) {
	t.Parallel()
	store := memstore.New(time.Now)
	good := cut(t, store, random(2<<20), 1)
	lie := good[0]
	lie.Digest = digest.FromString("none")
	long := good[0]
	long.Size = 1 << 40
	var bomb bytes.Buffer
	for range 5 {
		for _, d := range cut(t, store, make([]byte, maxSize), 1) {
			b, err := content.ReadBlob(t.Context(), store, d)
			if err != nil {
				t.Fatal(err)
			}
			bomb.Write(b)
		}
	}
	bombDesc, err := content.WriteBytes(t.Context(), store, ocispec.Descriptor{}, bomb.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	other := good[0]
	other.Digest = bombDesc.Digest
	other.Size = bombDesc.Size - 1
	for name, c := range map[string]struct {
		desc ocispec.Descriptor
		kind error
	}{
		"none": {lie, errdefs.ErrNotFound}, "long": {long, errdefs.ErrInvalid}, "bomb": {bombDesc, errdefs.ErrExhausted},
		"another size": {other, errdefs.ErrCorrupt},
	} {
		if got, err := read(t, store, append(slices.Clone(good), c.desc)); !errors.Is(err, c.kind) || len(got) > 2*maxSize+2<<20 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}
