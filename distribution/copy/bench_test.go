package copy_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"cove/content"
	"cove/content/fsstore"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/distributiontest"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// BenchmarkPush copies an image of four layers from a store on disk to a registry over
// HTTP, whose store is on disk too.
func BenchmarkPush(b *testing.B) {
	const size = 32 << 20
	img := distributiontest.NewImage(b, 1, size, size+1, size+2, size+3)
	open := func(name string) *fsstore.Store {
		s, err := fsstore.Open(filepath.Join(b.TempDir(), name), fsstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return s
	}
	local := open("local")
	put := func(body []byte) {
		if _, err := content.WriteBytes(b.Context(), local, ocispec.Descriptor{}, body); err != nil {
			b.Fatal(err)
		}
	}
	put(img.Manifest.Body)
	for _, body := range img.Blobs {
		put(body)
	}
	c := distributiontest.NewClient(b, client.Config{})
	ref := img.Manifest.Descriptor.Digest.String()
	b.SetBytes(4 * size)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		host := distributiontest.Serve(b, b.Context(), distributiontest.NewMemory(open(fmt.Sprint(i))))
		b.StartTimer()
		to := &copy.Remote{Repo: c.Repository(host, "team/app")}
		opts := copy.Options{Tag: tag, TrustSource: true}
		if _, err := copy.Copy(b.Context(), to, copy.Store{Content: local}, ref, opts); err != nil {
			b.Fatal(err)
		}
	}
}
