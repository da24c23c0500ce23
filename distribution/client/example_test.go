package client_test

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
	"cove/distribution/progress"
)

// A push takes what it needs from a content store and tells how it goes; a
// pull puts what it brings into one, where it is verified.
func Example() {
	ctx := context.Background()
	srv := httptest.NewServer(registry.New())
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")

	local := memstore.New(time.Now)
	layer, _ := content.WriteBytes(ctx, local, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer}, []byte("a layer"))
	config, _ := content.WriteBytes(ctx, local, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig}, []byte("{}"))
	manifest, _ := content.WriteBytes(ctx, local, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest}, fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		config.MediaType, config.Digest, config.Size, layer.MediaType, layer.Digest, layer.Size))

	c, err := client.New(client.Config{Parallel: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	repo := c.Repository(host, "team/app")
	err = repo.Push(ctx, "v1", manifest, local, client.PushOptions{Progress: func(e progress.Event) {
		if e.Kind == progress.Pushed {
			fmt.Println("pushed", e.Desc.MediaType)
		}
	}})
	if err != nil {
		fmt.Println(err)
		return
	}

	elsewhere := memstore.New(time.Now)
	desc, _, err := repo.Resolve(ctx, "v1")
	if err == nil {
		err = repo.FetchBlob(ctx, elsewhere, layer, nil)
	}
	fmt.Println("pulled:", desc.Digest == manifest.Digest, err)
	// Output:
	// pushed application/vnd.oci.image.layer.v1.tar
	// pushed application/vnd.oci.image.config.v1+json
	// pushed application/vnd.oci.image.manifest.v1+json
	// pulled: true <nil>
}
