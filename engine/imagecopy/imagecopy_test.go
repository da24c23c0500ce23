package imagecopy

import (
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/client/credentials"
	"cove/distribution/copy"
	"cove/distribution/copy/layout"
	"cove/distribution/distributiontest"
	"cove/distribution/progress"
	"cove/engine"
	"cove/engine/config"
	"cove/errdefs"

	_ "cove/layers/compress/codec/linked"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const dgst = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for name, want := range map[string]struct{ text, dir, object string }{
		"redis":                     {"redis:latest", "", "latest"},
		"localhost:5000/app:v1":     {"localhost:5000/app:v1", "", "v1"},
		"redis@" + dgst:             {"redis@" + dgst, "", dgst},
		"oci:dir":                   {"oci:dir", "dir", ""},
		"oci:/a/b.c:v1":             {"oci:/a/b.c:v1", "/a/b.c", "v1"},
		"oci:a:docker.io/x/y:1":     {"oci:a:docker.io/x/y:1", "a", "docker.io/x/y:1"},
		"oci:dir@" + dgst:           {"oci:dir@" + dgst, "dir", dgst},
		"oci:me@home":               {"oci:me@home", "me@home", ""},
		"docker.io/library/oci:dir": {"oci:dir", "", "dir"},
	} {
		p, err := Parse(name)
		if err != nil || p.String() != want.text || p.Layout != want.dir || p.Object() != want.object {
			t.Errorf("%s is %q: directory %q, %q; %v", name, p, p.Layout, p.Object(), err)
		}
	}
	for _, name := range []string{"oci:", "oci::v1", "oci:dir:", "oci:dir:not a tag", "oci:dir:-", "oci:dir:../x", "UPPER", "oci:dir@sha256:12", ""} {
		if p, err := Parse(name); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q is %+v, %v", name, p, err)
		}
	}
	for name, want := range map[string]string{"oci:dir": "oci:dir:latest", "redis": "redis:latest", "oci:dir:1": "oci:dir:1"} {
		if p, err := ParseTarget(name); err != nil || p.String() != want {
			t.Errorf("as a target %s is %s, %v", name, p, err)
		}
	}
}

func open(t *testing.T) *engine.Engine {
	t.Helper()
	dir := t.TempDir()
	eng, err := engine.Open(engine.Config{
		Root: t.TempDir(), CertsDirs: []string{}, Files: &config.Files{},
		Credentials: credentials.Open(func(string) string { return filepath.Join(dir, "none") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

// stocked is a layout with an image under v1.
func stocked(t *testing.T) (dir string, img distributiontest.Image) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "stock")
	img = distributiontest.NewImage(t, 1, 100, 200)
	d, err := layout.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	src := copy.Store{Content: distributiontest.StoreOf(t, img)}
	ref := img.Manifest.Descriptor.Digest.String()
	if _, err := copy.Copy(t.Context(), d, src, ref, copy.Options{Tag: "v1"}); err != nil {
		t.Fatal(err)
	}
	return dir, img
}

func copied(t *testing.T, src, dst string, opts Options) (ocispec.Descriptor, error) {
	t.Helper()
	from, err := Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	to, err := ParseTarget(dst)
	if err != nil {
		t.Fatal(err)
	}
	return Copy(t.Context(), open(t), from, to, opts)
}

// TestRoundTrip goes from a layout to a registry, on within it, and back.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	dir, img := stocked(t)
	host := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	back := filepath.Join(t.TempDir(), "back")
	var mu sync.Mutex
	kinds := map[progress.Kind]int{}
	opts := Options{Progress: func(e progress.Event) {
		mu.Lock()
		defer mu.Unlock()
		kinds[e.Kind]++
		if e.Kind != progress.Resolved && e.Desc.MediaType == ocispec.MediaTypeImageManifest {
			t.Errorf("an event of a manifest: %+v", e)
		}
	}}
	for _, step := range [][2]string{
		{"oci:" + dir, host + "/team/app:1"},
		{host + "/team/app:1", host + "/team/other"},
		{host + "/team/other@" + img.Manifest.Descriptor.Digest.String(), "oci:" + back},
	} {
		desc, err := copied(t, step[0], step[1], opts)
		if err != nil || desc.Digest != img.Manifest.Descriptor.Digest {
			t.Fatalf("%s: %+v, %v", step, desc, err)
		}
	}
	if kinds[progress.Pushed] != 6 || kinds[progress.Mounted] != 3 || kinds[progress.Resolved] != 3 {
		t.Errorf("events %v", kinds)
	}
	d, err := layout.Open(back)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if tags, err := d.Tags(); err != nil || !slices.Equal(tags, []string{"latest"}) {
		t.Errorf("tags %q, %v", tags, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	dir, _ := stocked(t)
	refusing := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	_, err := copied(t, "oci:"+dir, refusing+"/team/app:1", Options{})
	if s, ok := errdefs.SuggestionFor(err); !ok || s.Do != errdefs.Login || s.To != refusing {
		t.Errorf("a registry that refuses: %v, suggestion %+v", err, s)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "copying oci:"+dir+" to "+refusing+"/team/app:1: ") {
		t.Errorf("%v", err)
	}
	const dgst = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for step, want := range map[[2]string]error{
		{"oci:" + dir + ":v2", "oci:" + t.TempDir()}:         errdefs.ErrNotFound,
		{"oci:" + filepath.Join(dir, "no"), "localhost/app"}: errdefs.ErrNotFound,
		{"oci:" + dir, "localhost/app" + dgst}:               errdefs.ErrInvalid,
	} {
		if _, err := copied(t, step[0], step[1], Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", step, err, want)
		}
	}
}
