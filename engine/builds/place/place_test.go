package place

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOf: a client's attributes make the cache that the flag would, and what is not
// supported is refused by name.
func TestOf(t *testing.T) {
	t.Parallel()
	got, err := Of("registry", map[string]string{
		"ref": "example.com/cache", "mode": "max", "image-manifest": "true", "oci-mediatypes": "1", "ignore-error": "t",
	}, true)
	want := Cache{Type: Registry, Ref: "example.com/cache", Tag: "latest", Max: true, IgnoreError: true}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got.Name() != "example.com/cache" || got.MountsQuota() <= 0 {
		t.Errorf("%s, %d", got.Name(), got.MountsQuota())
	}
	for _, tc := range []struct {
		kind   string
		attrs  map[string]string
		export bool
		want   string
	}{
		{"registry", nil, true, "needs ref=IMAGE"},
		{"registry", map[string]string{"ref": "r", "mode": "all"}, true, "want min or max"},
		{"registry", map[string]string{"ref": "r", "mode": "max"}, false, "mode is not supported"},
		{"registry", map[string]string{"ref": "r", "image-manifest": "false"}, true, "image-manifest=false is not supported"},
		{"registry", map[string]string{"ref": "r", "compression": "zstd"}, true, "compression is not supported"},
		{"inline", map[string]string{"mode": "max"}, true, "takes no mode=max"},
		{"inline", nil, false, "imported with type=registry"},
		{"local", nil, true, "needs dest=DIRECTORY"},
		{"local", map[string]string{"dest": "d"}, false, "dest is not supported"},
		{"s3", nil, true, "want registry, local, inline or gha"},
	} {
		if _, err := Of(tc.kind, tc.attrs, tc.export); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %v: %v, want %q", tc.kind, tc.attrs, err, tc.want)
		}
	}
}
