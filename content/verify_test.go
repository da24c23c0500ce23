package content_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	const body = "the right bytes"
	right := digest.FromString(body)
	tests := []struct {
		name string
		body string
		desc ocispec.Descriptor
		want error
	}{
		{"right", body, ocispec.Descriptor{Digest: right, Size: int64(len(body))}, nil},
		{"right, no size", body, ocispec.Descriptor{Digest: right}, nil},
		{"sha512", body, ocispec.Descriptor{Digest: digest.SHA512.FromString(body)}, nil},
		{"empty", "", ocispec.Descriptor{Digest: digest.FromString("")}, nil},
		{"one bit", "the right bytez", ocispec.Descriptor{Digest: right, Size: int64(len(body))}, errdefs.ErrCorrupt},
		{"short", body[:5], ocispec.Descriptor{Digest: right, Size: int64(len(body))}, errdefs.ErrCorrupt},
		{"short, no size", body[:5], ocispec.Descriptor{Digest: right}, errdefs.ErrCorrupt},
		{"nothing", "", ocispec.Descriptor{Digest: right, Size: int64(len(body))}, errdefs.ErrCorrupt},
		{"long", body + "!", ocispec.Descriptor{Digest: right, Size: int64(len(body))}, errdefs.ErrCorrupt},
		{"no digest", body, ocispec.Descriptor{}, errdefs.ErrInvalid},
		{"bad digest", body, ocispec.Descriptor{Digest: "sha256:../x"}, errdefs.ErrInvalid},
	}
	for _, tt := range tests {
		for shape, wrap := range map[string]func(io.Reader) io.Reader{
			"plain": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
		} {
			got, err := io.ReadAll(content.Verify(wrap(strings.NewReader(tt.body)), tt.desc))
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, %s: error %v, want %v", tt.name, shape, err, tt.want)
			}
			if tt.want == nil && string(got) != tt.body {
				t.Errorf("%s, %s: read %q", tt.name, shape, got)
			}
			if tt.want != nil && len(got) >= len(body) && shape == "data with EOF" && len(tt.body) <= len(body) {
				t.Errorf("%s, %s: %d wrong bytes came through whole", tt.name, shape, len(got))
			}
		}
	}
}

func TestVerifyPassesErrors(t *testing.T) {
	t.Parallel()
	broken := iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader([]byte("abc"))))
	_, err := io.ReadAll(content.Verify(broken, ocispec.Descriptor{Digest: digest.FromString("abc")}))
	if !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("error %v, want that of the reader below", err)
	}
}
