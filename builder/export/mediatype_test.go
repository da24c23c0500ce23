package export

import (
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	const docker = "application/vnd.docker.image.rootfs.diff.tar"
	for _, tc := range []struct{ from, oci, docker string }{
		{ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayer, docker},
		{ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerGzip, docker + ".gzip"},
		{docker + ".gzip", ocispec.MediaTypeImageLayerGzip, docker + ".gzip"},
		{docker, ocispec.MediaTypeImageLayer, docker},
		{docker + ".zstd", ocispec.MediaTypeImageLayerZstd, docker + ".zstd"},
		{docker + ".xz", docker + ".xz", docker + ".xz"},
		{"application/vnd.example", "application/vnd.example", "application/vnd.example"},
	} {
		d := ocispec.Descriptor{MediaType: tc.from, Annotations: map[string]string{"a": "b"}}
		if got := OCITypes.of(d); got.MediaType != tc.oci || len(got.Annotations) != 1 {
			t.Errorf("%s is %+v among the image specification's", tc.from, got)
		}
		if got := DockerTypes.of(d); got.MediaType != tc.docker || got.Annotations != nil {
			t.Errorf("%s is %+v among docker's", tc.from, got)
		}
	}
}
