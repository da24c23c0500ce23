package names

import (
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
)

// TestFind finds an image by what people call it, of either algorithm.
func TestFind(t *testing.T) {
	t.Parallel()
	one, long := record("docker.io/library/app:v1", "one"), record("docker.io/library/app:v2", "two")
	long.Image, long.Target.Digest = digest.SHA512.FromString("config two"), digest.SHA512.FromString("two")
	all := []Record{one, long}
	for _, r := range all {
		for _, name := range []string{
			r.Name, r.Image.String(), r.Image.Encoded(), r.Image.Encoded()[:12], r.Image.String()[:19],
			r.Target.Digest.String(), "app@" + r.Target.Digest.String(),
		} {
			if got, err := Find(all, name); err != nil || got.Name != r.Name {
				t.Errorf("%s: %q, %v; want %q", name, got.Name, err, r.Name)
			}
		}
	}
	for _, name := range []string{
		digest.FromString("none").String(), digest.SHA512.FromString("none").String(),
		digest.FromString("none").Encoded(), "app@" + digest.SHA512.FromString("none").String(), "nothing",
	} {
		if got, err := Find(all, name); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %q, %v; want not found", name, got.Name, err)
		}
	}
	if _, err := Find(all, "sha256:"+long.Image.Encoded()); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a name that is a digest of no algorithm: %v", err)
	}
}
