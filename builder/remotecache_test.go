package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/remotecache"
	"cove/content"
	"cove/content/memstore"
	"cove/distribution/copy"
	"cove/distribution/copy/layout"
)

const cachedBuild = `FROM base AS build
WORKDIR /src
COPY in .
RUN copy src/in out
FROM base
COPY --from=build /out /out
RUN write last 1
ENV A=1
RUN true
`

// cacheDir is a layout to export into and to import from.
func cacheDir(t *testing.T) (to func(max bool) func(*Request), from func(*Request)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	to = func(max bool) func(*Request) {
		d, err := layout.Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return func(r *Request) { r.CacheTo = []remotecache.To{{Name: dir, Target: d, Tag: "latest", Max: max}} }
	}
	return to, func(r *Request) {
		d, err := layout.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		r.CacheFrom = []remotecache.From{{Name: dir, Source: d, Ref: "latest"}}
	}
}

// TestCacheElsewhere: the same inputs on a second root are known whole, make the
// same image, and bring only the layers of that.
func TestCacheElsewhere(t *testing.T) {
	t.Parallel()
	first, second := newWorld(t), newWorld(t)
	for _, w := range []*world{first, second} {
		w.write(map[string]string{"in": "input"})
	}
	to, from := cacheDir(t)
	a := first.must(cachedBuild, to(true))
	b := second.must(cachedBuild, from)
	if ran := second.exec.ran(); len(ran) > 0 || b.Cached != b.Steps {
		t.Errorf("executed %v, %d of %d cached", ran, b.Cached, b.Steps)
	}
	if a.Image().Config != b.Image().Config {
		t.Errorf("another image: %s", cmp.Diff(a.config, b.config))
	}
	// The layers on the base, config and manifest; of the stage nothing.
	if n := count(second) - count(newWorld(t)); n != len(b.manifest.Layers)-1+2 {
		t.Errorf("%d blobs were fetched or made for %d layers", n, len(b.manifest.Layers))
	}
	changed := strings.Replace(cachedBuild, "last 1", "last 2", 1)
	if b := second.must(changed, from); b.files["last"] == "" || b.Cached != b.Steps-2 {
		t.Errorf("after a change: %d of %d cached, executed %v", b.Cached, b.Steps, second.exec.ran())
	}
	// What was imported is known here now, where it was needed.
	if b := second.must(cachedBuild); b.Image().Config != a.Image().Config || len(second.exec.ran()) > 0 {
		t.Errorf("without the import: executed %v", second.exec.ran())
	}
}

// TestCacheMin: the layers of the image alone are exported; a stage that they came
// from is executed again.
func TestCacheMin(t *testing.T) {
	t.Parallel()
	first, second := newWorld(t), newWorld(t)
	for _, w := range []*world{first, second} {
		w.write(map[string]string{"in": "input"})
	}
	to, from := cacheDir(t)
	first.must(cachedBuild, to(false))
	b := second.must(cachedBuild, from)
	if diff := cmp.Diff([]string{"copy src/in out", "unpack base"}, second.exec.ran()); diff != "" {
		t.Errorf("executed: %s", diff)
	}
	if b.files["out"] != "644 0:0 input" {
		t.Errorf("files %v", b.files)
	}
}

// watched is where a cache goes, which tells of each blob that comes.
type watched struct {
	copy.Target
	came chan digest.Digest
}

func (w watched) PushBlob(ctx context.Context, b copy.Blob) error {
	err := w.Target.PushBlob(ctx, b)
	w.came <- b.Digest
	return err
}

// TestCacheGoesWhileStepsRun: what a stage that no image has made is sent before the last
// command ends, and of a build that fails no records are.
func TestCacheGoesWhileStepsRun(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"write last 1", "exit 3"} {
		w := newWorld(t)
		w.write(map[string]string{"in": "input"})
		dir := filepath.Join(t.TempDir(), "cache")
		d, err := layout.Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		to := watched{Target: d, came: make(chan digest.Digest, 100)}
		w.exec.hook = func(r ExecRequest) error {
			if r.Args[len(r.Args)-1] != last {
				return nil
			}
			select {
			case <-to.came:
				return nil
			case <-time.After(10 * time.Second):
				return errors.New("no layer was sent before")
			}
		}
		df := "FROM base AS build\nRUN write made 1\nFROM base\nCOPY --from=build /made /made\nRUN " + last + "\n"
		_, err = w.build(df, func(r *Request) { r.CacheTo = []remotecache.To{{Name: dir, Target: to, Tag: "t", Max: true}} })
		_, missing := d.Resolve(t.Context(), "t")
		if failed := last == "exit 3"; failed != (err != nil) || failed != (missing != nil) || err != nil && strings.Contains(err.Error(), "sent") {
			t.Errorf("%s: %v; the records: %v", last, err, missing)
		}
	}
}

// TestInlineCache: an image carries the records of its own layers.
func TestInlineCache(t *testing.T) {
	t.Parallel()
	first, second := newWorld(t), newWorld(t)
	df := "FROM base\nRUN write a 1\nRUN write b 2\n"
	a := first.must(df, func(r *Request) { r.InlineCache = true })
	from := func(r *Request) {
		ref := a.Image().Target.Digest.String()
		r.CacheFrom = []remotecache.From{{Name: "image", Source: copy.Store{Content: first.store}, Ref: ref}}
	}
	if b := second.must(df, from); b.Cached != b.Steps || len(second.exec.ran()) > 0 {
		t.Errorf("%d of %d cached", b.Cached, b.Steps)
	}
	if b := first.must(df); len(b.config.Config.Labels) > 0 || b.Image().Config == a.Image().Config {
		t.Error("the cache is in an image that was not to have it")
	}
}

// TestCacheThatLies: a layer whose bytes are others is not taken, and its step is
// executed, with a warning; a cache that is not there is none, and one that is no cache
// a warning.
func TestCacheThatLies(t *testing.T) {
	t.Parallel()
	first, second := newWorld(t), newWorld(t)
	df := "FROM base\nRUN write a 1\n"
	dir := filepath.Join(t.TempDir(), "cache")
	d, err := layout.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	a := first.must(df, func(r *Request) { r.CacheTo = []remotecache.To{{Name: dir, Target: d, Tag: "t", Max: true}} })
	name := filepath.Join(dir, "blobs/sha256", a.manifest.Layers[1].Digest.Encoded())
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
	from := func(ref string) func(*Request) {
		return func(r *Request) { r.CacheFrom = []remotecache.From{{Name: dir, Source: d, Ref: ref}} }
	}
	b := second.must(df, from("t"))
	if ran := second.exec.ran(); len(ran) != 2 || b.files["a"] == "" || len(b.Warnings) != 1 ||
		b.Warnings[0].Rule != "CacheLayerLost" || !strings.Contains(b.Warnings[0].Text, "sha256:") {
		t.Errorf("a damaged layer: executed %v, warnings %v, files %v", ran, b.Warnings, b.files)
	}
	// One that is gone is none, for a build that needs it and for an export that does not.
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	third := newWorld(t)
	if b := third.must(df, from("t")); len(third.exec.ran()) != 2 || len(b.Warnings) != 1 {
		t.Errorf("a layer that is gone: executed %v, warnings %v", third.exec.ran(), b.Warnings)
	}
	if b := newWorld(t).must(df, from("none")); len(b.Warnings) > 0 {
		t.Errorf("a cache that is not there: %v", b.Warnings)
	}
	if b := newWorld(t).must(df, from(digest.FromString("x").String())); len(b.Warnings) > 0 {
		t.Errorf("a digest that is not there: %v", b.Warnings)
	}
}

// TestRecordsThatLie: layers whose bytes are right, of records that have them for others,
// are found when a command needs their files: their steps are executed, with a warning,
// and known then.
func TestRecordsThatLie(t *testing.T) {
	t.Parallel()
	first, second := newWorld(t), newWorld(t)
	df := "FROM base\nRUN write a 1\nRUN write b 2\n"
	d, err := layout.Create(filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	first.must(df, func(r *Request) { r.CacheTo = []remotecache.To{{Name: "dir", Target: d, Tag: "t", Max: true}} })
	exchangeBlobs(t, d, "t")
	df += "RUN write c 3\n"
	b := second.must(df, func(r *Request) { r.CacheFrom = []remotecache.From{{Name: "dir", Source: d, Ref: "t"}} })
	want := []string{"unpack base", "write a 1", "write b 2", "write c 3"}
	ran := slices.Compact(slices.Sorted(slices.Values(second.exec.ran()))) // what was not packed yet comes again
	if diff := cmp.Diff(want, ran); diff != "" {
		t.Errorf("executed: %s", diff)
	}
	for _, w := range b.Warnings {
		if w.Rule != "CacheLayerLost" {
			t.Errorf("warning %v", w)
		}
	}
	if len(b.Warnings) != 2 || b.files["a"] != "644 0:0 1" || b.files["b"] != "644 0:0 2" {
		t.Errorf("warnings %v, files %v", b.Warnings, b.files)
	}
	if again := second.must(df); again.Cached != again.Steps || again.Image().Config != b.Image().Config {
		t.Errorf("%d of %d cached afterwards", again.Cached, again.Steps)
	}
}

// exchangeBlobs has two records of a cache name each other's layer.
func exchangeBlobs(t *testing.T, d *layout.Dir, tag string) {
	t.Helper()
	m, err := d.Resolve(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	var image ocispec.Manifest
	if err := json.Unmarshal(m.Body, &image); err != nil {
		t.Fatal(err)
	}
	body, err := content.ReadBlob(t.Context(), d, image.Config)
	if err != nil {
		t.Fatal(err)
	}
	var doc remotecache.Document
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	other := map[digest.Digest]ocispec.Descriptor{
		image.Layers[0].Digest: image.Layers[1], image.Layers[1].Digest: image.Layers[0],
	}
	for key, r := range doc.Records {
		r.Blob = other[r.Blob.Digest]
		doc.Records[key] = r
	}
	if body, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	store := memstore.New(time.Now)
	image.Config.Digest, image.Config.Size = digest.FromBytes(body), int64(len(body))
	if err := content.WriteBlob(t.Context(), store, image.Config, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if m.Body, err = json.Marshal(image); err != nil {
		t.Fatal(err)
	}
	m.Descriptor.Digest, m.Descriptor.Size = digest.FromBytes(m.Body), int64(len(m.Body))
	err = errors.Join(d.PushBlob(t.Context(), copy.Blob{Descriptor: image.Config, Content: store}),
		d.PushManifest(t.Context(), m, tag))
	if err != nil {
		t.Fatal(err)
	}
}
