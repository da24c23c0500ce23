package output

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/builder/export"
)

// read is an output of a type with attributes, which are KEY=VALUE.
func read(kind Type, fields ...string) (Output, error) {
	o := Output{Type: kind}
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		if err := o.Set(key, value); err != nil {
			return o, err
		}
	}
	return o, nil
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	yes, no, nine := true, false, 9
	for _, tc := range []struct {
		fields string
		want   Output
	}{
		{
			"name=a,push=true,push-by-digest=true,name-canonical=true",
			Output{Type: Image, Names: []string{"a"}, Push: true, ByDigest: true},
		},
		{"oci-mediatypes=false", Output{Type: Image, DockerTypes: true}},
		{"oci-mediatypes=true,store=true,unpack=1,rewrite-timestamp=true,registry.insecure=false", Output{Type: Image}},
		{
			"compression=zstd,compression-level=9,force-compression=true",
			Output{Type: Image, Packing: Packing{Compression: "zstd", Level: &nine, Force: true}},
		},
		{"annotation-index.a.b=c", Output{Type: Image, Annotations: export.Annotations{{Level: export.Index, Key: "a.b", Value: "c"}}}},
		{"tar=false", Output{Type: OCI, Archive: &no}},
		{"platform-split=true", Output{Type: Local, Split: &yes}},
	} {
		got, err := read(tc.want.Type, strings.Split(tc.fields, ",")...)
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tc.fields, err, diff)
		}
	}
	for _, tc := range []struct {
		kind        Type
		field, want string
	}{
		{Local, "push=true", "takes no push"},
		{Tar, "compression=zstd", "takes no compression"},
		{Image, "tar=true", "takes no tar"},
		{OCI, "push-by-digest=true", "takes no push-by-digest"},
		{Image, "push=perhaps", "push=perhaps: want true or false"},
		{Image, "store=perhaps", "store=perhaps: want true or false"},
		{Image, "rewrite-timestamp=false", "not supported"},
		{Image, "registry.insecure=true", "not supported"},
		{Image, "nonsense=1", "nonsense is not supported"},
		{Image, "compression-level=much", "not a number"},
		{Image, "annotation=b", "want annotation.KEY"},
		{Image, "annotation-layer.a=b", "none of manifest"},
	} {
		if _, err := read(tc.kind, tc.field); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s of %s: %v, want %q", tc.field, tc.kind, err, tc.want)
		}
	}
}

// TestNames: an image is pushed under the names that it has, and what is pushed by its
// digest has no tag.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		out  Output
		want string // of the error
	}{
		{Output{Names: []string{"a:1", "b"}, Push: true}, ""},
		{Output{Names: []string{"a:5000/b"}, Push: true, ByDigest: true}, ""},
		{Output{Names: []string{"a:1"}, Push: true, ByDigest: true}, "leave out :1"},
		{Output{Push: true}, "needs a name"},
		{Output{Names: []string{"a@sha256:" + strings.Repeat("a", 64)}}, "cannot be given"},
		{Output{Names: []string{"A:1"}}, "lower case"},
	} {
		_, err := tc.out.refs()
		if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.out, err, tc.want)
		}
	}
}
