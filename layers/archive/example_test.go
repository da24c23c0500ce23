package archive_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"cove/layers/archive"
)

// A directory becomes an archive and a directory again. No name, link or ".." of an
// archive leads out of the directory that it is extracted to.
func Example() {
	ctx := context.Background()
	from, _ := os.MkdirTemp("", "from")
	to, _ := os.MkdirTemp("", "to")
	defer os.RemoveAll(from)
	defer os.RemoveAll(to)
	_ = os.WriteFile(filepath.Join(from, "greeting"), []byte("hello"), 0o600)
	_ = os.Symlink("/etc/passwd", filepath.Join(from, "link"))

	var tar bytes.Buffer
	if err := archive.Pack(ctx, &tar, from, archive.PackOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	if err := archive.Extract(ctx, to, &tar, archive.Options{}); err != nil {
		fmt.Println(err)
		return
	}
	text, _ := os.ReadFile(filepath.Join(to, "greeting"))
	link, _ := os.Readlink(filepath.Join(to, "link"))
	fmt.Println(string(text), link)
	// Output: hello /etc/passwd
}
