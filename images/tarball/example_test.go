package tarball_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/images/tarball"
)

// What is written as an archive is read as the images that it was written of.
func Example() {
	ctx := context.Background()
	here := memstore.New(nil)
	config, _ := content.WriteBytes(ctx, here, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig}, []byte("{}"))
	body, _ := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config,
	})
	manifest, _ := content.WriteBytes(ctx, here, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest}, body)

	var archive bytes.Buffer
	err := tarball.Write(ctx, &archive, here, []tarball.Image{
		{Names: []string{"docker.io/library/app:v1"}, Target: manifest, Config: config},
	}, []ocispec.Descriptor{manifest, config})
	if err != nil {
		fmt.Println(err)
		return
	}

	there := memstore.New(nil)
	lease, err := there.Lease(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Release()
	read, err := (&tarball.Reader{Store: there, Lease: lease}).Read(ctx, &archive)
	for _, img := range read {
		fmt.Println(img.Names, img.Target.Digest == manifest.Digest)
	}
	fmt.Println(err)
	// Output:
	// [docker.io/library/app:v1] true
	// <nil>
}
