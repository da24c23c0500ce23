package fsstore_test

import (
	"context"
	"fmt"
	"io"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/fsstore"
)

// An upload outlives the process that began it: another one, on the same folder, goes on
// where it stopped.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var desc ocispec.Descriptor
	for _, part := range []string{"hello, ", "world"} {
		store, err := fsstore.Open(dir, fsstore.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		w, err := store.Begin(ctx, "upload")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("goes on at", w.Offset())
		_, _ = io.WriteString(w, part)
		if part == "world" {
			desc = ocispec.Descriptor{Digest: w.Digest(), Size: w.Offset()}
			fmt.Println("durable:", w.Commit(ctx, desc))
			body, err := content.ReadBlob(ctx, store, desc)
			fmt.Println(string(body), err)
		}
		_ = w.Close()
		_ = store.Close()
	}
	// Output:
	// goes on at 0
	// goes on at 7
	// durable: <nil>
	// hello, world <nil>
}
