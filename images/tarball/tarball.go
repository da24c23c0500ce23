// Package tarball is images in one tar file.
//
// What it writes is two formats at once, over the same blobs: an OCI layout
// (oci-layout, index.json) and a docker archive (manifest.json), so that docker
// load, podman, skopeo and containerd all read it. What it reads is either, in
// any order of entries, from any version of those tools: entries stream into
// the content store, and the few that say what they mean are kept in memory.
//
// No name in an archive ever becomes a path: names are looked up in a map, and
// blobs are stored under the digest that their bytes have.
package tarball

import (
	"encoding/json"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/reference"
)

// Image is one image of an archive.
type Image struct {
	// Names are canonical references.
	Names []string
	// Target is the manifest or index. It is zero for an image of a docker
	// archive without one, which consists of Config and Layers alone.
	Target ocispec.Descriptor
	// Annotations are of the image's entry in the OCI index, beside its name.
	Annotations map[string]string
	// Config and Layers, lowest first, are those of the docker archive. When
	// written without a Config the image is in the OCI layout alone.
	Config ocispec.Descriptor
	Layers []ocispec.Descriptor
}

const (
	manifestFile   = "manifest.json"
	containerdName = "io.containerd.image.name"
	epoch          = 0 // of every entry: the same images give the same bytes
)

// dockerManifest is one element of manifest.json.
type dockerManifest struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// blobPath is where both formats look for a blob.
func blobPath(dgst digest.Digest) string {
	return "blobs/" + dgst.Algorithm().String() + "/" + dgst.Encoded()
}

// blobDigest is the reverse of blobPath.
func blobDigest(name string) (digest.Digest, bool) {
	rest, ok := strings.CutPrefix(name, "blobs/")
	alg, hex, cut := strings.Cut(rest, "/")
	if !ok || !cut {
		return "", false
	}
	dgst, err := reference.ParseDigest(alg + ":" + hex)
	return dgst, err == nil
}

func decode(name string, body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "image archive: %s: %w", name, err)
	}
	return nil
}
