package native_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"cove/layers/diff"
	"cove/layers/snapshot/native"
)

// A snapshot is written to, kept under a name, and written on top of. What changed is
// what a layer will hold.
func Example() {
	ctx := context.Background()
	root, _ := os.MkdirTemp("", "snapshots")
	defer os.RemoveAll(root)
	store, err := native.New(root)
	if err != nil {
		fmt.Println(err)
		return
	}
	base, _ := store.Prepare(ctx, "working", "")
	_ = os.WriteFile(filepath.Join(base.Source, "old"), []byte("1"), 0o600)
	_ = os.WriteFile(filepath.Join(base.Source, "kept"), []byte("2"), 0o600)
	fmt.Println(store.Commit(ctx, "base", "working"))

	top, _ := store.Prepare(ctx, "top", "base")
	_ = os.Remove(filepath.Join(top.Source, "old"))
	_ = os.WriteFile(filepath.Join(top.Source, "new"), []byte("3"), 0o600)
	changes, err := diff.Changes(ctx, top, nil)
	for _, c := range changes {
		fmt.Printf("%c %s\n", c.Kind, c.Name)
	}
	fmt.Println(err)
	// Output:
	// <nil>
	// A /new
	// D /old
	// <nil>
}
