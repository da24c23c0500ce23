package export

import (
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/manifest"
)

// MediaTypes are those of what an image is made of: the bytes of its layers are the same.
type MediaTypes struct {
	config, manifest, index string
	// layer begins those of layers, and joins what comes before a compression's name.
	layer, joint string
	// annotated says that documents and descriptors have annotations.
	annotated bool
}

// The media types of the image specification, and of docker's image manifest, version 2,
// schema 2, which tools know that are older.
var (
	OCITypes = MediaTypes{
		config: ocispec.MediaTypeImageConfig, manifest: ocispec.MediaTypeImageManifest,
		index: ocispec.MediaTypeImageIndex, layer: ocispec.MediaTypeImageLayer, joint: "+", annotated: true,
	}
	DockerTypes = MediaTypes{
		config: "application/vnd.docker.container.image.v1+json", manifest: manifest.DockerManifest,
		index: manifest.DockerManifestList, layer: "application/vnd.docker.image.rootfs.diff.tar", joint: ".",
	}
)

// of gives the descriptor of a layer the media type that it has among these, if it has one.
func (t MediaTypes) of(d ocispec.Descriptor) ocispec.Descriptor {
	for _, from := range []MediaTypes{OCITypes, DockerTypes} {
		switch packed, is := strings.CutPrefix(d.MediaType, from.layer); {
		case !is:
		case packed == "":
			d.MediaType = t.layer
		case packed == from.joint+"gzip", packed == from.joint+"zstd":
			d.MediaType = t.layer + t.joint + packed[len(from.joint):]
		}
	}
	if !t.annotated {
		d.Annotations = nil
	}
	return d
}
