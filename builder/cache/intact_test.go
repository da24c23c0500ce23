package cache

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/fsstore"
)

// TestIntact: a blob is read once, and again when its file is another or was written to,
// even if its time was set back.
func TestIntact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := fsstore.Open(dir, fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("layer"), 1000)
	r := Record{Blob: ocispec.Descriptor{Digest: digest.FromBytes(data), Size: int64(len(data))}}
	if err := content.WriteBlob(t.Context(), store, r.Blob, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "blobs/sha256", r.Blob.Digest.Encoded())
	expect := func(when string, wantOK, wantRead bool) {
		t.Helper()
		ok, read, err := r.Intact(t.Context(), store)
		if err != nil || ok != wantOK || read != wantRead {
			t.Errorf("%s: intact %v, read %v, %v", when, ok, read, err)
		}
	}
	expect("just stored, which may not be all", true, false)
	time.Sleep(2 * tick)
	expect("the first time", true, true)
	expect("the second time", true, false)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(data)
	bad[17] ^= 1
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	expect("a bit flipped, and the time set back", false, false)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * tick)
	expect("mended", true, true)
	expect("mended, again", true, false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("gone", false, false)
}
