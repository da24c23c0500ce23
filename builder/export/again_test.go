package export

import (
	"context"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/content"
	"cove/content/memstore"
)

// counted counts the writes that begin.
type counted struct {
	*memstore.Store
	begun int
}

func (c *counted) Begin(ctx context.Context, id string) (content.Writer, error) {
	c.begun++
	return c.Store.Begin(ctx, id)
}

// TestNothingIsWrittenTwice: the documents of a build in which nothing changed are there.
func TestNothingIsWrittenTwice(t *testing.T) {
	t.Parallel()
	blobs := &counted{Store: memstore.New(time.Now)}
	held := map[digest.Digest]int{}
	b := Build{
		Images: []Image{{Image: plan.Image{RootFS: plan.None, Platform: ocispec.Platform{OS: "linux", Architecture: "arm64"}}}},
		Hold: func(_ context.Context, all ...digest.Digest) error {
			for _, d := range all {
				held[d]++
			}
			return nil
		},
	}
	first, err := Store{Content: blobs}.Export(t.Context(), b)
	if err != nil || blobs.begun != 2 {
		t.Fatalf("%d writes, %v", blobs.begun, err)
	}
	again, err := Store{Content: blobs}.Export(t.Context(), b)
	if err != nil || again.Target.Digest != first.Target.Digest || blobs.begun != 2 {
		t.Errorf("%d writes, %v, %v and before it %v", blobs.begun, err, again.Target, first.Target)
	}
	for d, n := range held {
		if n != 2 {
			t.Errorf("%s was held %d times, not by each build", d, n)
		}
	}
	if err := blobs.Delete(t.Context(), first.Config); err != nil {
		t.Fatal(err)
	}
	if _, err := (Store{Content: blobs}).Export(t.Context(), b); err != nil || blobs.begun != 3 {
		t.Errorf("%d writes after one was lost, %v", blobs.begun, err)
	}
}
