package client_test

import (
	"io"
	"log"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"cove/distribution/client"
	"cove/distribution/distributiontest"
)

// TestTheirRegistry pushes to and pulls from go-containerregistry's server.
func TestTheirRegistry(t *testing.T) {
	t.Parallel()
	host := distributiontest.Listen(t, registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	img := distributiontest.NewImage(t, 1, 10<<20, 1000)
	push(t, host, "team/app", img)
	c := distributiontest.NewClient(t, client.Config{})
	repo := c.Repository(host, "team/app")
	desc, _, err := repo.Resolve(t.Context(), "v1")
	if err != nil || desc.Digest != img.Manifest.Descriptor.Digest {
		t.Fatalf("%+v, %v", desc, err)
	}
	dst := distributiontest.Store(t)
	for _, desc := range append(img.Layers, img.Config) {
		if err := repo.FetchBlob(t.Context(), dst, desc, nil); err != nil {
			t.Error(err)
		}
	}
	if tags, err := repo.Tags(t.Context()); err != nil || len(tags) != 1 {
		t.Errorf("%q, %v", tags, err)
	}
}

// TestTheirClient has go-containerregistry's client push to and pull from our
// server, an image and an index.
func TestTheirClient(t *testing.T) {
	t.Parallel()
	host := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	img, err := random.Image(100_000, 3)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(host + "/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	back, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(back); err != nil {
		t.Error(err)
	}
	idx, err := random.Index(1000, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, idx); err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Index(ref); err != nil {
		t.Error(err)
	} else if err := validate.Index(got); err != nil {
		t.Error(err)
	}
	if err := remote.Delete(ref); err != nil {
		t.Error(err)
	}
}
