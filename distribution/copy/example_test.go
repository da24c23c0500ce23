package copy_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/progress"
)

// A push is a copy from a content store to a registry, a pull the way back. Both
// verify what they move and tell how it goes.
func Example() {
	ctx := context.Background()
	srv := httptest.NewServer(registry.New())
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")

	local := memstore.New(time.Now)
	layer, _ := content.WriteBytes(ctx, local, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer}, []byte("a layer"))
	config, _ := content.WriteBytes(ctx, local, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig}, []byte("{}"))
	image, _ := content.WriteBytes(ctx, local, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest}, fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		config.MediaType, config.Digest, config.Size, layer.MediaType, layer.Digest, layer.Size))

	c, err := client.New(client.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	remote := &copy.Remote{Repo: c.Repository(host, "team/app")}
	_, err = copy.Copy(ctx, remote, copy.Store{Content: local}, image.Digest.String(), copy.Options{
		Tag: "v1", Parallel: 1, Progress: func(e progress.Event) {
			if e.Kind == progress.Pushed {
				fmt.Println("pushed", e.Desc.MediaType)
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	elsewhere := memstore.New(time.Now)
	desc, err := copy.Copy(ctx, copy.Store{Content: elsewhere}, remote, "v1", copy.Options{})
	fmt.Println("pulled:", desc.Digest == image.Digest, err)
	// Output:
	// pushed application/vnd.oci.image.layer.v1.tar
	// pushed application/vnd.oci.image.config.v1+json
	// pushed application/vnd.oci.image.manifest.v1+json
	// pulled: true <nil>
}
