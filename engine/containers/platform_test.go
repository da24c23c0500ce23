package containers

import (
	"errors"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/parts"
	"cove/errdefs"
	"cove/images/image"
	"cove/internal/platforms"
)

// An image of another platform is refused when this one was asked for, and else told of,
// once: looking for it, which another program may do again, tells nothing.
func TestPlatform(t *testing.T) {
	t.Parallel()
	var told []string
	p, err := parts.Of(parts.Config{Root: t.TempDir(), Notify: func(s string) { told = append(told, s) }})
	if err != nil {
		t.Fatal(err)
	}
	cs := &Containers{parts: p}
	host := platforms.Host()
	foreign := ocispec.Platform{OS: host.OS, Architecture: "s390x"}
	var img image.Image
	img.Config.Platform = foreign
	if err := checkPlatform(img, host); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("asked for this machine's: %v", err)
	}
	for _, want := range []ocispec.Platform{{}, foreign} {
		if err := checkPlatform(img, want); err != nil {
			t.Errorf("asked for %+v: %v", want, err)
		}
	}
	cs.warnPlatform(img, platforms.Format(foreign))
	if len(told) > 0 {
		t.Errorf("told without need: %q", told)
	}
	cs.warnPlatform(img, "")
	if len(told) != 1 || !strings.Contains(told[0], "does not match the detected host platform") {
		t.Errorf("told: %q", told)
	}
	img.Config.Platform = host
	cs.warnPlatform(img, "")
	if len(told) != 1 {
		t.Errorf("told of this machine's: %q", told)
	}
}
