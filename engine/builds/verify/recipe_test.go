package verify

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/history"
	"cove/builder/provenance"
	"cove/engine/builds"
	"cove/errdefs"
	"cove/images/image"
)

// machine is an engine that has a history alone.
type machine struct {
	builds.Engine
	dir string
}

func (m machine) BuildDir() string { return m.dir }
func (m machine) Now() time.Time   { return time.Now() }

// built adds a build to the history.
func (m machine) built(t *testing.T, rec history.Record, target string, platform string) {
	t.Helper()
	r, err := builds.History(m).Begin(rec)
	if err != nil {
		t.Fatal(err)
	}
	predicate, err := json.Marshal(map[string]any{"buildDefinition": map[string]any{"externalParameters": map[string]any{
		"configSource": map[string]any{"path": "Dockerfile"},
		"request":      map[string]any{"frontend": "dockerfile.v0", "args": map[string]string{"target": target}},
	}}})
	if err == nil {
		err = r.Attach(predicate, provenance.TypeV1, platform)
	}
	if err == nil {
		err = r.End(func(rec *history.Record) { rec.Status = history.Completed })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestHistoryRemembers the build of an image for its platform, and where it was built; it
// is no proof that an image was built again in the same way.
func TestHistoryRemembers(t *testing.T) {
	t.Parallel()
	here := machine{dir: t.TempDir()}
	desc := ocispec.Descriptor{Digest: digest.FromString("image")}
	other := ocispec.Descriptor{Digest: digest.FromString("other")}
	img := image.Image{Descriptor: desc, Target: desc}
	img.Config.Platform = amd64
	if _, err := remembered(t.Context(), here, "app", img); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("without a history: %v", err)
	}
	here.built(t, history.Record{Context: "/src/app", Images: []ocispec.Descriptor{desc}}, "right", "linux/amd64")
	here.built(t, history.Record{Context: "/src/app", Images: []ocispec.Descriptor{desc}}, "another platform", "linux/arm64")
	here.built(t, history.Record{Context: "/src/app", Images: []ocispec.Descriptor{other}}, "another image", "linux/amd64")
	here.built(t, history.Record{Context: "/src/app", Images: []ocispec.Descriptor{desc}, Again: true}, "verified", "linux/amd64")
	r, err := remembered(t.Context(), here, "app", img)
	if err != nil || r.Target != "right" || r.Context != "/src/app" {
		t.Errorf("%+v %v", r, err)
	}
	img.Descriptor, img.Target = other, other
	if r, err := remembered(t.Context(), here, "app", img); err != nil || r.Target != "another image" {
		t.Errorf("%+v %v", r, err)
	}
}

// TestRelativeDirectories mean nothing to whoever verifies elsewhere.
func TestRelativeDirectories(t *testing.T) {
	t.Parallel()
	here := machine{dir: t.TempDir()}
	desc := ocispec.Descriptor{Digest: digest.FromString("image")}
	img := image.Image{Descriptor: desc, Target: desc}
	img.Config.Platform = amd64
	here.built(t, history.Record{Context: ".", Images: []ocispec.Descriptor{desc}}, "app", "linux/amd64")
	if r, err := remembered(t.Context(), here, "app", img); err != nil || r.Context != "" {
		t.Errorf("%+v %v", r, err)
	}
}
