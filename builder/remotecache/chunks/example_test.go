package chunks_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/remotecache/chunks"
	"cove/content"
	"cove/content/memstore"
)

// Of a stream that grew in its middle, most chunks are those of before.
func Example() {
	ctx := context.Background()
	store := memstore.New(nil)
	cut := func(stream []byte) (descs []ocispec.Descriptor) {
		w := chunks.NewWriter(func(packed []byte) error {
			desc, err := content.WriteBytes(ctx, store, ocispec.Descriptor{}, packed)
			descs = append(descs, desc)
			return err
		})
		if _, err := w.Write(stream); err != nil {
			fmt.Println(err)
		}
		if err := w.Close(); err != nil {
			fmt.Println(err)
		}
		return descs
	}
	stream := make([]byte, 32<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(stream)
	before := cut(stream)
	after := cut(slices.Insert(slices.Clone(stream), len(stream)/2, []byte("a few bytes more")...))

	known := map[digest.Digest]bool{}
	for _, d := range before {
		known[d.Digest] = true
	}
	others := 0
	for _, d := range after {
		if !known[d.Digest] {
			others++
		}
	}
	fmt.Println("most are known:", len(before) > 4 && others <= 2)

	r := chunks.NewReader(ctx, store, before)
	defer r.Close()
	again, err := io.ReadAll(r)
	fmt.Println("the same stream:", slices.Equal(again, stream), err)
	// Output:
	// most are known: true
	// the same stream: true <nil>
}
