package content_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/errdefs"
)

// A write that is closed without a commit goes on where it stopped.
func Example_resume() {
	ctx := context.Background()
	store := memstore.New(nil)
	for _, part := range []string{"hello, ", "world"} {
		w, err := store.Begin(ctx, "upload/1")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("at", w.Offset())
		_, _ = io.WriteString(w, part)
		if part == "world" {
			fmt.Println(w.Commit(ctx, ocispec.Descriptor{Digest: w.Digest()}))
		}
		_ = w.Close()
	}
	body, err := content.ReadBlob(ctx, store, ocispec.Descriptor{Digest: digest.FromString("hello, world")})
	fmt.Println(string(body), err)
	// Output:
	// at 0
	// at 7
	// <nil>
	// hello, world <nil>
}

func ExampleVerify() {
	desc := ocispec.Descriptor{Digest: digest.FromString("right")}
	_, err := io.ReadAll(content.Verify(strings.NewReader("wrong"), desc))
	fmt.Println(errors.Is(err, errdefs.ErrCorrupt))
	// Output: true
}
