package changes

import (
	"errors"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

func TestRead(t *testing.T) {
	t.Parallel()
	cfg, err := Read(t.Context(), []string{`CMD ["a", "b c"]`, `ENV X=1 Y="2 3"`, "EXPOSE 80", "USER 7"}, ocispec.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cfg.Cmd, []string{"a", "b c"}) || !slices.Equal(cfg.Env[1:], []string{"X=1", "Y=2 3"}) || cfg.User != "7" {
		t.Errorf("got %+v", cfg)
	}
	if _, exposed := cfg.ExposedPorts["80/tcp"]; !exposed {
		t.Errorf("exposed: %v", cfg.ExposedPorts)
	}
	for change, why := range map[string]string{
		"RUN x":      "only instructions that change the config",
		"COPY a b":   "only instructions that change the config",
		"WORKDIR /w": "only instructions that change the config",
		"FROM x":     "only instructions that change the config", // a second stage
		"CDM x":      "unknown instruction",
		"USER":       "USER requires",
		"ENV a=b\n":  "ok",
	} {
		_, err := Read(t.Context(), []string{change}, ocispec.Platform{})
		if why == "ok" {
			if err != nil {
				t.Errorf("%q: %v", change, err)
			}
			continue
		}
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want ErrInvalid with %q", change, err, why)
		}
	}
}
