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
	cfg, err := Read(t.Context(), []string{`CMD ["a", "b c"]`, `ENV X=1 Y="2 3"`, "EXPOSE 80", "USER 7"}, ocispec.Image{})
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
		"RUN x":     "only instructions that change the config",
		"COPY a b":  "only instructions that change the config",
		"FROM x":    "only instructions that change the config", // a second stage
		"CDM x":     "unknown instruction",
		"USER":      "USER requires",
		"ENV a=b\n": "ok",
	} {
		_, err := Read(t.Context(), []string{change}, ocispec.Image{})
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

// TestVariables: a change can say what is put before, or after, what an image has already.
func TestVariables(t *testing.T) {
	t.Parallel()
	of := ocispec.Image{Config: ocispec.ImageConfig{Env: []string{"PATH=/bin", "A=it's \"$B\""}}}
	cfg, err := Read(t.Context(), []string{"ENV PATH=/usr/bin:$PATH", "ENV C=$A"}, of)
	if want := []string{"PATH=/usr/bin:/bin", of.Config.Env[1], "C=" + of.Config.Env[1][2:]}; err != nil || !slices.Equal(cfg.Env, want) {
		t.Errorf("got %q, %v; want %q", cfg.Env, err, want)
	}
	if _, err := Read(t.Context(), []string{"COPY --from=changed.invalid/image a b"}, of); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a file of it: %v", err)
	}
}

// TestAddedByDocker: what the image specification has no field for is not lost.
func TestAddedByDocker(t *testing.T) {
	t.Parallel()
	of := ocispec.Image{Config: ocispec.ImageConfig{WorkingDir: "/srv"}}
	cfg, err := Read(t.Context(), []string{"HEALTHCHECK CMD true", "ONBUILD RUN x", `SHELL ["bash", "-c"]`, "WORKDIR in"}, of)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := cfg.Of(ocispec.Image{Config: cfg.ImageConfig})
	for _, want := range []string{`"Test":["CMD-SHELL","true"]`, `"OnBuild":["RUN x"]`, `"Shell":["bash","-c"]`, `"WorkingDir":"/srv/in"`} {
		if err != nil || !strings.Contains(string(raw), want) {
			t.Errorf("%v %s, want %s", err, raw, want)
		}
	}
}
