package export

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

func TestParseAnnotation(t *testing.T) {
	t.Parallel()
	arm := ocispec.Platform{OS: "linux", Architecture: "arm64"}
	for text, want := range map[string]Annotations{
		"a=b=c":                            {{Level: Manifest, Key: "a", Value: "b=c"}},
		"a=":                               {{Level: Manifest, Key: "a"}},
		"index:a=b":                        {{Level: Index, Key: "a", Value: "b"}},
		"manifest[linux/arm64]:a=x:y":      {{Level: Manifest, Platform: arm, Key: "a", Value: "x:y"}},
		"index,manifest:a=b":               {{Level: Index, Key: "a", Value: "b"}, {Level: Manifest, Key: "a", Value: "b"}},
		"manifest-descriptor[arm64]:a=b":   {{Level: ManifestDescriptor, Platform: arm, Key: "a", Value: "b"}},
		"index-descriptor:org.x/y=https:z": {{Level: IndexDescriptor, Key: "org.x/y", Value: "https:z"}},
	} {
		got, err := ParseAnnotation(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
	for _, bad := range []string{
		"", "a", "=b", "layer:a=b", "manifest[:a=b", "manifest]:a=b", "index[linux/arm64]:a=b", "manifest[no/such]:a=b",
		"manifest:=b", ":a=b",
	} {
		if _, err := ParseAnnotation(bad); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAnnotationsOfADocument(t *testing.T) {
	t.Parallel()
	arm, amd := ocispec.Platform{OS: "linux", Architecture: "arm64"}, ocispec.Platform{OS: "linux", Architecture: "amd64"}
	as := Annotations{
		{Level: Manifest, Key: "a", Value: "1"},
		{Level: Manifest, Key: "a", Value: "2"},
		{Level: Manifest, Platform: arm, Key: "arm", Value: "yes"},
		{Level: Index, Key: "i", Value: "3"},
	}
	for _, tc := range []struct {
		level Level
		p     ocispec.Platform
		want  map[string]string
	}{
		{Manifest, amd, map[string]string{"a": "2"}},
		{Manifest, arm, map[string]string{"a": "2", "arm": "yes"}},
		{Index, ocispec.Platform{}, map[string]string{"i": "3"}},
		{IndexDescriptor, ocispec.Platform{}, nil},
	} {
		if diff := cmp.Diff(tc.want, as.of(tc.level, tc.p)); diff != "" {
			t.Errorf("%s of %s: %s", tc.level, tc.p.Architecture, diff)
		}
	}
}
