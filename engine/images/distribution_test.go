package images

import (
	"errors"
	"testing"

	"cove/distribution/distributiontest"
	"cove/errdefs"
)

func TestDistributionAsksTheRegistryAlone(t *testing.T) {
	t.Parallel()
	is := local(t)
	host := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	name := host + "/team/box:1"
	_, err := is.Import(t.Context(), rootfs(t, "file", "text"), ImportOptions{Name: name, Platform: "linux/arm64"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := is.Distribution(t.Context(), name); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("what is here alone is found at the registry: %v", err)
	}
	pushed, err := is.Push(t.Context(), name, PushOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := is.Distribution(t.Context(), name)
	if err != nil || found.Descriptor.Digest != pushed[0].Descriptor.Digest {
		t.Errorf("%v %+v, pushed %+v", err, found, pushed)
	}
	if len(found.Platforms) != 1 || found.Platforms[0].OS != "linux" || found.Platforms[0].Architecture != "arm64" {
		t.Errorf("platforms %+v", found.Platforms)
	}
	if _, err := is.Distribution(t.Context(), "not a name"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("%v", err)
	}
}
