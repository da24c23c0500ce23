package builder

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/content"
	"cove/errdefs"
)

var (
	amd64 = ocispec.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = ocispec.Platform{OS: "linux", Architecture: "arm64"}
)

// buildFor builds for platforms and lets exporters have the result.
func (w *world) buildFor(dockerfile string, ps []ocispec.Platform, to ...export.Exporter) (*Result, error) {
	w.t.Helper()
	w.exec.reset()
	res, err := w.builder.Build(w.t.Context(), Request{
		Context: w.dir, Dockerfile: "-", Stdin: strings.NewReader(dockerfile), Platforms: ps, Exporters: to,
	})
	if err == nil {
		w.t.Cleanup(func() { _ = res.Lease.Release() })
	}
	w.checkClean()
	return res, err
}

// toBuffer is an exporter of an archive, and what it lists: "mode uid name -> link".
func toBuffer(split *bool) (export.Tar, func() []string) {
	var buf bytes.Buffer
	return export.Tar{Split: split, Write: func(write func(io.Writer) error) error { return write(&buf) }}, func() (all []string) {
		for tr := tar.NewReader(&buf); ; {
			h, err := tr.Next()
			if err != nil {
				return all
			}
			all = append(all, fmt.Sprintf("%o %d %s -> %s", h.Mode, h.Uid, h.Name, h.Linkname))
		}
	}
}

const crossed = `FROM --platform=$BUILDPLATFORM base AS build
RUN write tool made once
ARG TARGETARCH
RUN write other for each
COPY <<out /out
for $TARGETARCH
out
FROM scratch
COPY --from=build --chown=7 --chmod=640 /out /
COPY --from=build /lib /link
`

// TestSeveralPlatforms: what runs on the builder's platform and depends on no
// target runs once, and an index lists an image for each.
func TestSeveralPlatforms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	archive, list := toBuffer(nil)
	store := export.Store{Content: w.store, Annotations: export.Annotations{
		{Level: export.Index, Key: "i", Value: "1"},
		{Level: export.Manifest, Platform: arm64, Key: "m", Value: "2"},
		{Level: export.ManifestDescriptor, Key: "d", Value: "3"},
	}}
	res, err := w.buildFor(crossed, []ocispec.Platform{amd64, arm64, amd64}, store, archive)
	if err != nil {
		t.Fatal(err)
	}
	ran := strings.Join(w.exec.ran(), "\n")
	if strings.Count(ran, "write tool") != 1 || strings.Count(ran, "for each") != 2 {
		t.Errorf("executed:\n%s", ran)
	}
	want := []string{
		"755 0 linux_amd64/ -> ", "755 0 linux_amd64/link/ -> ", "755 0 linux_amd64/link/libc.so -> ",
		"640 7 linux_amd64/out -> ",
		"755 0 linux_arm64/ -> ", "755 0 linux_arm64/link/ -> ", "755 0 linux_arm64/link/libc.so -> ",
		"640 7 linux_arm64/out -> ",
	}
	if diff := cmp.Diff(want, list()); diff != "" {
		t.Errorf("the archive: %s", diff)
	}
	raw, err := content.ReadBlob(t.Context(), w.store, res.Image().Target)
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	if len(index.Manifests) != 2 || index.Annotations["i"] != "1" {
		t.Fatalf("the index: %s", raw)
	}
	for i, p := range []ocispec.Platform{amd64, arm64} {
		d := index.Manifests[i]
		if d.Platform == nil || d.Platform.Architecture != p.Architecture || d.Annotations["d"] != "3" {
			t.Errorf("entry %d: %+v", i, d)
		}
		raw, err := content.ReadBlob(t.Context(), w.store, d)
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(string(raw), `"annotations":{"m":"2"}`); has != (p.Architecture == "arm64") {
			t.Errorf("the manifest for %s: %s", p.Architecture, raw)
		}
	}
}

// TestFilesAlone: a build of files packs no layer, makes no image, and leaves the
// cache for one that does.
func TestFilesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "out")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("stays"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := count(w)
	res, err := w.buildFor(crossed, []ocispec.Platform{amd64}, export.Directory{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if res.Image().Target.Digest != "" || count(w) != before {
		t.Errorf("%d blobs became %d, image %v", before, count(w), res.Image())
	}
	for name, want := range map[string]string{"out": "for amd64\n", "mine": "stays"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if b := w.must(crossed); len(w.exec.ran()) != 0 || !strings.HasPrefix(b.files["out"], "640 7:7 for amd64") {
		t.Errorf("the image after it: executed %v, files %v", w.exec.ran(), b.files)
	}
	no := false
	archive, _ := toBuffer(&no)
	if _, err := w.buildFor(crossed, []ocispec.Platform{amd64, arm64}, archive); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("two platforms into one directory: %v", err)
	}
}

func count(w *world) (n int) {
	for range w.store.All(w.t.Context()) {
		n++
	}
	return n
}

// TestEmptyImage: an image without any file is an archive without any entry.
func TestEmptyImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	archive, list := toBuffer(nil)
	if _, err := w.buildFor("FROM scratch\nLABEL a=b\n", []ocispec.Platform{amd64}, archive); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
