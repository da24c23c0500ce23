package builder

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/export"
	"cove/builder/remotecache"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/distribution/copy/layout"
)

// request is a build of the world's context by a Dockerfile.
func (w *world) request(name, dockerfile string, change ...func(*Request)) Request {
	req := Request{
		Name: name, Context: w.dir, Dockerfile: "-", Stdin: strings.NewReader(dockerfile),
		Platforms: []ocispec.Platform{{OS: "linux", Architecture: "amd64"}},
	}
	for _, c := range change {
		c(&req)
	}
	return req
}

// all builds several requests as one build.
func (w *world) all(reqs ...Request) ([]*built, error) {
	w.t.Helper()
	w.exec.reset()
	results, err := w.builder.BuildAll(w.t.Context(), reqs)
	w.checkClean()
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { _ = results[0].Lease.Release() })
	var out []*built
	for _, res := range results {
		out = append(out, w.read(res))
	}
	return out, nil
}

// file is what a file holds, without its mode and owner.
func (b *built) file(name string) string {
	_, text, _ := strings.Cut(b.files[name], " ")
	_, text, _ = strings.Cut(text, " ")
	return text
}

// TestBuildAllSharesSteps: what several builds have in common runs once, also where it
// is copied from the context, and each gets its own result.
func TestBuildAllSharesSteps(t *testing.T) {
	w := newWorld(t)
	w.write(map[string]string{"src": "source"})
	const common = "FROM base AS common\nCOPY src /src\nRUN write /made once\n"
	got, err := w.all(
		w.request("a", common+"FROM common\nRUN write /a x"),
		w.request("b", common+"FROM common\nRUN write /b x"),
	)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(slices.DeleteFunc(w.exec.ran(), func(c string) bool { return c != "write /made once" })); n != 1 {
		t.Errorf("the common step ran %d times: %q", n, w.exec.ran())
	}
	for i, name := range []string{"a", "b"} {
		if got[i].file(name) != "x" || got[i].file("src") != "source" || got[i].file("made") != "once" {
			t.Errorf("%s has %v", name, got[i].files)
		}
	}
	if _, has := got[0].files["b"]; has {
		t.Error("a has the file of b")
	}
	alone := w.must(common + "FROM common\nRUN write /a x")
	if len(w.exec.ran()) > 0 || alone.Image().Target.Digest != got[0].Image().Target.Digest {
		t.Errorf("built alone it is another image, or ran %q", w.exec.ran())
	}
}

// TestBuildAllKeepsContextsApart: a path of one context is never taken for the same path
// of another, nor a named context for another of that name.
func TestBuildAllKeepsContextsApart(t *testing.T) {
	w := newWorld(t)
	other := t.TempDir()
	for name, text := range map[string]string{"file": "other", "only": "here"} {
		if err := os.WriteFile(filepath.Join(other, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.write(map[string]string{"file": "main"})
	const dockerfile = "FROM base\nCOPY file /file\nCOPY --from=n file /named"
	got, err := w.all(
		w.request("a", dockerfile, func(r *Request) { r.Contexts = map[string]string{"n": other} }),
		w.request("b", dockerfile, func(r *Request) { r.Context, r.Contexts = other, map[string]string{"n": w.dir} }),
	)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][2]string{{"main", "other"}, {"other", "main"}} {
		if got[i].file("file") != want[0] || got[i].file("named") != want[1] {
			t.Errorf("%d: %v, want %v", i, got[i].files, want)
		}
	}
}

// TestBuildAllOnAnother: FROM, COPY --from and RUN --mount read what another request
// makes, with its config and history, for the platform that is built.
func TestBuildAllOnAnother(t *testing.T) {
	w := newWorld(t)
	w.write(map[string]string{"f": "from the context of lib"})
	lib := "FROM base\nCOPY f /f\nRUN write /made it\nENV LIB=1\nONBUILD RUN write /trigger pulled\nLABEL l=lib"
	got, err := w.all(
		w.request("app", "FROM lib\nRUN write /app x\nCOPY --from=lib /made /copied\n"+
			"RUN --mount=from=lib,target=/m env /env",
			func(r *Request) { r.Contexts = map[string]string{"lib": "target:lib"} }),
		w.request("lib", lib),
		w.request("top", "FROM scratch AS app\nFROM app\nCOPY --from=app /app /again",
			func(r *Request) { r.Contexts = map[string]string{"app": "target:app"} }),
	)
	if err != nil {
		t.Fatal(err)
	}
	app, top := got[0], got[2]
	for name, want := range map[string]string{
		"f": "from the context of lib", "made": "it", "app": "x", "copied": "it", "trigger": "pulled",
	} {
		if app.file(name) != want {
			t.Errorf("%s is %q, want %q", name, app.file(name), want)
		}
	}
	if !strings.Contains(app.file("env"), "LIB=1") || app.config.Config.Labels["l"] != "lib" || top.file("again") != "x" || top.file("made") != "it" {
		t.Errorf("labels %v; top %v", app.config.Config.Labels, top.files)
	}
	lines := 0
	for _, h := range app.config.History {
		if strings.Contains(h.CreatedBy, "/made it") {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("the history has the step of lib %d times", lines)
	}
}

// TestBuildAllThatDoNotAgree: two values of one secret are two solves, each with its
// own, and what goes wrong names its target.
func TestBuildAllThatDoNotAgree(t *testing.T) {
	w := newWorld(t)
	secret := func(value string) func(*Request) {
		return func(r *Request) { r.Secrets = map[string][]byte{"s": []byte(value)} }
	}
	const dockerfile = "FROM base\nRUN --mount=type=secret,id=s,target=/s secret /s /got"
	_, err := w.all(
		w.request("a", dockerfile, secret("short")), w.request("b", dockerfile+"\nRUN true", secret("other")))
	if err != nil {
		t.Fatal(err)
	}
	for want, reqs := range map[string][]Request{
		"target b: ": {w.request("a", "FROM base"), w.request("b", "FROM base\nRUNN x")},
		"there is no target": {w.request("a", "FROM base", func(r *Request) {
			r.Contexts = map[string]string{"x": "target:nope"}
		})},
		"a builds on itself: a → a": {w.request("a", "FROM base", func(r *Request) {
			r.Contexts = map[string]string{"x": "target:a"}
		})},
		"exit code: 3": {w.request("a", "FROM base"), w.request("b", "FROM base\nRUN exit 3")},
	} {
		if _, err := w.all(reqs...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// noted is an exporter, or where a cache goes, that notes when it is written.
type noted struct {
	export.Store
	copy.Target
	name string
	log  *[]string
}

func (n noted) Export(ctx context.Context, b export.Build) (export.Exported, error) {
	*n.log = append(*n.log, "image "+n.name)
	return n.Store.Export(ctx, b)
}

func (n noted) PushManifest(ctx context.Context, m distribution.Manifest, tag string) error {
	*n.log = append(*n.log, "cache "+n.name)
	return n.Target.PushManifest(ctx, m, tag)
}

// TestCachesGoAfterAllImages: no image waits for the cache of another, also where their
// settings exclude each other.
func TestCachesGoAfterAllImages(t *testing.T) {
	t.Parallel()
	for _, everything := range []bool{false, true} {
		w := newWorld(t)
		var log []string
		of := func(name string) Request {
			d, err := layout.Create(filepath.Join(t.TempDir(), name))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			n := noted{Store: export.Store{Content: w.store}, Target: d, name: name, log: &log}
			return w.request(name, "FROM base\nRUN write "+name+" x", func(r *Request) {
				r.Exporters = []export.Exporter{n}
				r.CacheTo = []remotecache.To{{Name: name, Target: n, Tag: "t", Max: everything}}
			})
		}
		if _, err := w.all(of("a"), of("b")); err != nil {
			t.Fatal(err)
		}
		if want := []string{"image a", "image b", "cache a", "cache b"}; !slices.Equal(log, want) {
			t.Errorf("in the order %q, want %q", log, want)
		}
	}
}

// TestStepsOfTargetsAreTold: what is done for one of several builds is called after it,
// and a Dockerfile that is no file as docker calls it.
func TestStepsOfTargetsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	told := map[string]bool{}
	var mu sync.Mutex
	first := w.request("a", "FROM base\nRUN write a x", func(r *Request) {
		r.Progress = func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			told[e.Vertex.Name] = true
		}
	})
	if _, err := w.all(first, w.request("b", "FROM base\nRUN write b x")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"[a internal] load build context", "[b internal] load build context",
		"[a internal] load build definition from Dockerfile", "[b internal] load .dockerignore",
		"[internal] load metadata for base", // is of both
	} {
		if !told[name] {
			t.Errorf("there is no %q in %q", name, slices.Sorted(maps.Keys(told)))
		}
	}
}
