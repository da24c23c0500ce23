package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/cache"
	"cove/builder/command"
	"cove/builder/event"
	"cove/builder/lockfile"
	"cove/builder/plan"
	"cove/builder/provenance"
	"cove/builder/state"
	"cove/builder/subrequest"
	"cove/content"
	"cove/content/fsstore"
	"cove/errdefs"
)

const cacheDockerfile = `ARG BASE=base
FROM ${BASE} AS tools
RUN write /tool one
FROM ${BASE}
ARG A=1
ENV E=1
LABEL l=1
WORKDIR /w
COPY --from=tools /tool /tool
COPY src /src
RUN --mount=type=cache,target=/c --mount=type=secret,id=s --mount=type=bind,source=bound,target=/b copy /src/a /out
RUN write /last $A
`

// TestMutateInputs is T26 on whole builds: one input changes, and exactly the
// steps run that this means something to.
func TestMutateInputs(t *testing.T) {
	t.Parallel()
	all := []string{"copy /src/a /out", "write /last $A", "write /tool one"}
	after := all[:2]
	first := all[:1] // and what it makes is the same, so what follows is known
	replace := func(old, new string) func(*world, *string, *Request) {
		return func(w *world, df *string, _ *Request) {
			if !strings.Contains(*df, old) {
				w.t.Fatalf("no %q in the Dockerfile", old)
			}
			*df = strings.Replace(*df, old, new, 1)
		}
	}
	file := func(fn func(dir string) error) func(*world, *string, *Request) {
		return func(w *world, _ *string, _ *Request) {
			if err := fn(w.dir); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*world, *string, *Request)
		want   []string // what runs
	}{
		{"nothing", func(*world, *string, *Request) {}, nil},
		// Inputs that mean nothing to what is made.
		{"a comment", replace("LABEL", "# note\nLABEL"), nil},
		{"white space", replace("RUN write /last", "RUN   write /last"), nil},
		{"case", replace("COPY src", "copy src"), nil},
		{"a label", replace("LABEL l=1", "LABEL l=2"), nil},
		{"a command", replace("LABEL l=1", "CMD x"), nil},
		{"the stage's name", func(_ *world, df *string, _ *Request) { *df = strings.ReplaceAll(*df, "tools", "other") }, nil},
		{"an unused stage", replace("FROM ${BASE}\n", "FROM ${BASE} AS never\nRUN true\nFROM ${BASE}\n"), nil},
		{"an argument nobody declares", func(_ *world, _ *string, r *Request) { r.BuildArgs = map[string]string{"NO": "x"} }, nil},
		{"a proxy", func(_ *world, _ *string, r *Request) { r.BuildArgs = map[string]string{"HTTP_PROXY": "http://p:1"} }, nil},
		{"the secret", func(_ *world, _ *string, r *Request) { r.Secrets = map[string][]byte{"s": []byte("other")} }, nil},
		{"labels of the build", func(_ *world, _ *string, r *Request) { r.Labels = map[string]string{"x": "y"} }, nil},
		{"times", file(func(d string) error { return os.Chtimes(filepath.Join(d, "src/a"), time.Now(), time.Unix(5, 0)) }), nil},
		{"an owner", file(func(d string) error { return os.Chown(filepath.Join(d, "src/a"), 7, 7) }), nil},
		{"a file that no one copies", file(func(d string) error { return os.WriteFile(filepath.Join(d, "other"), []byte("2"), 0o644) }), nil},
		{"an ignored file", file(func(d string) error { return os.WriteFile(filepath.Join(d, "src/x.log"), []byte("2"), 0o644) }), nil},
		{"the same bytes again", file(func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, "src/a")), os.WriteFile(filepath.Join(d, "src/a"), []byte("a"), 0o644))
		}), nil},
		{"another source of the same", func(w *world, df *string, _ *Request) {
			w.write(map[string]string{"src2/a": "a", "src2/sub/b": "b"})
			*df = strings.Replace(*df, "COPY src /src", "COPY src2 /src", 1)
		}, nil},
		{"provenance and a bill", func(_ *world, _ *string, r *Request) {
			r.Attest = Attest{Provenance: &provenance.Options{}, SBOM: true}
		}, nil},
		{"a lock", func(_ *world, _ *string, r *Request) { r.Lock = &lockfile.Lock{} }, nil},
		{"an agent", func(_ *world, _ *string, r *Request) { r.SSH = map[string]command.Agent{"default": nil} }, nil},
		{"the platform by name", func(_ *world, _ *string, r *Request) {
			r.Platforms = []ocispec.Platform{{OS: "linux", Architecture: "amd64"}}
		}, nil},
		{"a context that nobody names", func(w *world, _ *string, r *Request) {
			r.Contexts = map[string]string{"elsewhere": w.t.TempDir()}
		}, nil},
		{"limits of the commands", func(w *world, _ *string, r *Request) { r.Executor = limited{w.exec} }, nil},
		{"the form of layers", func(_ *world, _ *string, r *Request) { r.InlineCache = true }, nil},
		{"the cache mount's contents", file(func(d string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(d), "build", "note"), []byte("x"), 0o644)
		}), nil},
		// Inputs that mean something.
		{"an argument's default", replace("ARG A=1", "ARG A=2"), after},
		{"an argument's value", func(_ *world, _ *string, r *Request) { r.BuildArgs = map[string]string{"A": "2"} }, after},
		{"the environment", replace("ENV E=1", "ENV E=2"), after},
		{"the user", replace("LABEL l=1", "USER app"), after},
		{"the shell", replace("LABEL l=1", `SHELL ["/bin/ash", "-c"]`), after},
		{"the working directory", replace("WORKDIR /w", "WORKDIR /v"), after},
		{"a file's bytes", file(func(d string) error { return os.WriteFile(filepath.Join(d, "src/a"), []byte("A"), 0o644) }), after},
		{"a file's mode", file(func(d string) error { return os.Chmod(filepath.Join(d, "src/a"), 0o755) }), after},
		{"a new file", file(func(d string) error { return os.WriteFile(filepath.Join(d, "src/n"), nil, 0o644) }), after},
		{"a new directory", file(func(d string) error { return os.Mkdir(filepath.Join(d, "src/n"), 0o755) }), after},
		{"a removed file", file(func(d string) error { return os.Remove(filepath.Join(d, "src/sub/b")) }), after},
		{"a renamed file", file(func(d string) error { return os.Rename(filepath.Join(d, "src/sub/b"), filepath.Join(d, "src/sub/c")) }), after},
		{"a file becomes a link", file(func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, "src/sub/b")), os.Symlink("../a", filepath.Join(d, "src/sub/b")))
		}), after},
		{"the same size and times", file(func(d string) error {
			p := filepath.Join(d, "src/a")
			st, err := os.Stat(p)
			return errors.Join(err, os.WriteFile(p, []byte("Z"), 0o644), os.Chtimes(p, st.ModTime(), st.ModTime()))
		}), after},
		{"the ignore rules", file(func(d string) error { return os.WriteFile(filepath.Join(d, ".dockerignore"), []byte("src/sub"), 0o644) }), after},
		{"what is mounted", file(func(d string) error { return os.WriteFile(filepath.Join(d, "bound/f"), []byte("2"), 0o644) }), first},
		{"a mount's target", replace("target=/c", "target=/d"), first},
		{"a mount's option", replace("target=/c", "target=/c,sharing=locked"), first},
		{"the network", replace("RUN --mount", "RUN --network=none --mount"), first},
		{"the network of the build", func(_ *world, _ *string, r *Request) { r.Network = "none" }, all},
		{"a name of a host", func(_ *world, _ *string, r *Request) { r.Hosts = []plan.Host{{Name: "db", IP: "10.0.0.1"}} }, all},
		{"a context in the place of the stage", func(w *world, _ *string, r *Request) {
			r.Contexts = map[string]string{"tools": w.tools("one")}
		}, nil},
		{"another context in the place of the stage", func(w *world, _ *string, r *Request) {
			r.Contexts = map[string]string{"tools": w.tools("two")}
		}, after},
		{"the owner of a copy", replace("COPY src", "COPY --chown=app src"), after},
		{"the mode of a copy", replace("COPY src", "COPY --chmod=700 src"), after},
		{"the destination", replace("COPY src /src", "COPY src /src/x\nCOPY src /src"), after},
		{"the last command", replace("write /last $A", "write /last 3"), []string{"write /last 3"}},
		{"the first stage's command", replace("write /tool one", "write /tool two"), []string{"copy /src/a /out", "write /last $A", "write /tool two"}},
		{"the first stage makes the same", replace("RUN write /tool one", "ENV X=1\nRUN write /tool one"), []string{"write /tool one"}},
		{"the base", func(_ *world, _ *string, r *Request) { r.BuildArgs = map[string]string{"BASE": "owned"} }, nil},
		{"no cache", func(_ *world, _ *string, r *Request) { r.NoCache = true }, all},
		{"no cache of one stage", func(_ *world, _ *string, r *Request) { r.NoCacheFilter = []string{"tools"} }, []string{"write /tool one"}},
		{"the epoch", func(_ *world, _ *string, r *Request) { at := time.Unix(1e9, 0); r.Epoch = &at }, all},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write(map[string]string{"src/a": "a", "src/sub/b": "b", "src/x.log": "1", "bound/f": "1", "other": "1", ".dockerignore": "**/*.log\n"})
			secret := func(r *Request) { r.Secrets = map[string][]byte{"s": []byte("topsecret")} }
			before := w.must(cacheDockerfile, secret)
			if got := w.exec.ran(); !slices.Equal(got, append([]string{all[0], "unpack base"}, all[1:]...)) {
				t.Fatalf("the first build ran %q", got)
			}
			df := cacheDockerfile
			changed := Request{Secrets: map[string][]byte{"s": []byte("topsecret")}}
			tc.change(w, &df, &changed)
			second := w.must(df, func(r *Request) {
				changed.Context, changed.Dockerfile, changed.Exporters = r.Context, r.Dockerfile, r.Exporters
				changed.Stdin, changed.Progress = r.Stdin, r.Progress
				if changed.Platforms == nil {
					changed.Platforms = r.Platforms
				}
				*r = changed
			})
			got := slices.DeleteFunc(w.exec.ran(), func(s string) bool { return strings.HasPrefix(s, "unpack") })
			want := tc.want
			if tc.name == "the base" {
				want = all
			}
			if !slices.Equal(got, want) && (len(got) > 0 || len(want) > 0) {
				t.Errorf("ran %q, want %q", got, want)
			}
			same := len(before.manifest.Layers) == len(second.manifest.Layers)
			for i := 0; same && i < len(before.manifest.Layers); i++ {
				same = before.manifest.Layers[i].Digest == second.manifest.Layers[i].Digest
			}
			if len(want) == 0 && !same {
				t.Error("nothing ran, and the layers differ")
			}
		})
	}
}

// limited is an executor with other limits.
type limited struct{ Executor }

// tools is a context with what the stage of that name makes.
func (w *world) tools(text string) string {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// TestDamagedRecords: whatever happens to the cache's files costs time only.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "1"})
	df := "FROM base\nCOPY a /a\nRUN copy /a /b\n"
	first := w.must(df)
	damage := func(fn func(path string) error) {
		t.Helper()
		n := 0
		for _, dir := range []string{"records", "stat"} {
			err := filepath.WalkDir(filepath.Join(w.builder.cfg.Root, dir), func(p string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					n++
					return fn(p)
				}
				return err
			})
			if err != nil && !errors.Is(err, os.ErrNotExist) { // no file was old enough for a stat cache
				t.Fatal(err)
			}
		}
		if n == 0 {
			t.Fatal("nothing to damage")
		}
	}
	for name, fn := range map[string]func(string) error{
		"truncated": func(p string) error { return os.Truncate(p, 7) },
		"empty":     func(p string) error { return os.Truncate(p, 0) },
		"garbage":   func(p string) error { return os.WriteFile(p, []byte("{]"), 0o600) },
		"removed":   os.Remove,
	} {
		damage(fn)
		b := w.must(df)
		if b.files["b"] != first.files["b"] || b.Cached != 0 {
			t.Errorf("%s: %q, %d cached", name, b.files["b"], b.Cached)
		}
	}
	if b := w.must(df); b.Cached != b.Steps {
		t.Error("the cache did not recover")
	}
	// The blobs go, the snapshots stay, and the reverse.
	for info, err := range w.store.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if base := w.images["base"]; info.Digest != base.Layers[0].Blob.Digest {
			if err := w.store.Delete(t.Context(), info.Digest); err != nil {
				t.Fatal(err)
			}
		}
	}
	if b := w.must(df); b.files["b"] != first.files["b"] {
		t.Errorf("without blobs: %q", b.files["b"])
	}
	w.removeSnapshots(t)
	w.must(df)
	if b := w.must(df + "RUN copy /b /c\n"); b.files["c"] != first.files["b"] {
		t.Errorf("without snapshots: %q", b.files["c"])
	}
}

// TestDamagedLayers: a layer of an earlier build that was damaged is packed
// again from its files, or made again where these are gone too.
func TestDamagedLayers(t *testing.T) {
	t.Parallel()
	flip := func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[len(b)/2] ^= 1
		return os.WriteFile(path, b, 0o600)
	}
	for name, damage := range map[string]func(path string) error{
		"cut short": func(path string) error { return os.Truncate(path, 9) },
		"a directory": func(path string) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o755))
		},
		"a bit flipped": flip,
	} {
		for _, files := range []bool{true, false} {
			if files && name == "a bit flipped" {
				continue // nobody reads it; whoever does, as a push, drops it
			}
			t.Run(fmt.Sprintf("%s, files %t", name, files), func(t *testing.T) {
				t.Parallel()
				root := t.TempDir()
				store, err := fsstore.Open(root, fsstore.Options{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = store.Close() })
				w := newWorldOn(t, store)
				w.write(map[string]string{"a": "1"})
				df := "FROM base\nCOPY a /a\nRUN copy /a /b\n"
				first := w.must(df)
				for _, l := range first.manifest.Layers[1:] {
					if err := damage(filepath.Join(root, "blobs/sha256", l.Digest.Encoded())); err != nil {
						t.Fatal(err)
					}
				}
				if !files {
					w.removeSnapshots(t)
				}
				second := w.must(df)
				if second.files["b"] != first.files["b"] || (second.Cached > 0) != files {
					t.Errorf("%q, %d cached", second.files["b"], second.Cached)
				}
				for _, l := range second.manifest.Layers {
					r, err := store.Open(t.Context(), l)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, content.Verify(content.NewReader(r), l)); err != nil {
						t.Error(err)
					}
					_ = r.Close()
				}
			})
		}
	}
}

// removeSnapshots removes every snapshot, top first.
func (w *world) removeSnapshots(t *testing.T) {
	t.Helper()
	for range 20 {
		var keys []string
		for info, err := range w.snaps.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, info.Key)
		}
		if len(keys) == 0 {
			return
		}
		for _, k := range keys {
			if err := w.snaps.Remove(t.Context(), k); err != nil && !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, errdefs.ErrNotFound) {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("snapshots do not go away")
}

func TestPrune(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kept := state.Open(w.builder.cfg.Root, w.builder.cfg.Now)
	// prune says how many records went.
	prune := func(keep cache.Keep) int {
		t.Helper()
		before := countRecords(t, kept)
		if _, err := kept.Prune(t.Context(), keep); err != nil {
			t.Error(err)
		}
		return before - countRecords(t, kept)
	}
	w.write(map[string]string{"a": "1"})
	b := w.must("FROM base\nCOPY a /a\nRUN copy /a /b\n")
	roots := map[string]bool{}
	for ref, err := range kept.Roots(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		roots[ref] = true
	}
	for _, l := range b.manifest.Layers[1:] {
		if !roots[l.Digest.String()] {
			t.Errorf("layer %s is no root", l.Digest)
		}
	}
	if n := prune(cache.Keep{Age: time.Hour}); n != 0 {
		t.Errorf("%d records were too old", n)
	}
	w.mu.Lock()
	w.now = w.now.Add(2 * time.Hour)
	w.mu.Unlock()
	w.must("FROM base\nCOPY a /a\n")
	if n := prune(cache.Keep{Age: time.Hour}); n != 1 {
		t.Errorf("pruned %d records of 1 that was too old", n)
	}
	if n := prune(cache.Keep{Bytes: 1}); n != 1 {
		t.Errorf("pruned %d records of 1 that was too large", n)
	}
	w.must("FROM base\nRUN --mount=type=cache,target=/c true\n")
	if n := prune(cache.Keep{Nothing: true}); n != 1 {
		t.Errorf("pruned %d records of 1", n)
	}
	if left, _ := filepath.Glob(filepath.Join(w.builder.cfg.Root, "mounts", "*", "files")); len(left) > 0 {
		t.Errorf("cache mounts are left: %q", left)
	}
	for ref := range kept.Roots(context.Background()) {
		t.Errorf("%s is still a root", ref)
	}
}

func countRecords(t *testing.T, kept *state.State) (n int) {
	t.Helper()
	for _, err := range kept.Records().All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestLink: a linked copy does not care what is below it, and what is above it
// does.
func TestLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "1"})
	b := w.must("FROM base AS one\nCOPY --link a /a\nRUN copy /bin/sh /who\nFROM owned AS two\nCOPY --link a /a\nRUN copy /owned /who\nFROM scratch\nCOPY --from=one /who /1\nCOPY --from=two /who /2\n")
	if b.files["1"] != "644 0:0 shell" || b.files["2"] != "644 0:0 o" {
		t.Errorf("%q %q", b.files["1"], b.files["2"])
	}
	w.must("FROM base\nRUN write /x new\nCOPY --link a /a\n")
	b = w.must("FROM base\nRUN write /x other\nCOPY --link a /a\n")
	if b.Cached != 1 || b.files["x"] != "644 0:0 other" {
		t.Errorf("%d steps cached, want the copy: %q", b.Cached, b.files["x"])
	}
}

// TestLinkKnowsItsDirectories: the layer of a linked copy is made anew where
// other directories on its way are there, and only there.
func TestLinkKnowsItsDirectories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"a": "1"})
	linked := func(run string) (*built, string) {
		b := w.must("FROM base\n" + run + "\nCOPY --link --chown=7 a /d/e/f\n")
		return b, b.files["d/e"]
	}
	if _, e := linked("RUN write /x 1"); e != "755 7:7 dir" {
		t.Errorf("a missing directory: %q", e)
	}
	if b, e := linked("RUN write /d/e/other 1"); b.Cached != 0 || e == "755 7:7 dir" {
		t.Errorf("one that is there: %q, %d cached", e, b.Cached)
	}
	if b, _ := linked("RUN write /d/e/another 1"); b.Cached != 1 {
		t.Errorf("the same directories: %d cached, want the copy", b.Cached)
	}
}

// TestExplain: a step that is not cached says what changed.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"src/a": "1", "src/b": "1"})
	reasons := map[string]string{}
	listen := func(r *Request) {
		r.Progress = func(e Event) {
			if e.Kind == event.Started && e.Reason != "" { // own steps and images have none
				reasons[e.Vertex.Location.Instruction] = e.Reason
			}
		}
	}
	df := "FROM base\nARG A=1\nCOPY src /src\nRUN copy /src/a /b\n"
	for _, tc := range []struct {
		change func()
		want   map[string]string
	}{
		{func() {}, map[string]string{"COPY src /src": "this step has not run before", "RUN copy /src/a /b": "this step has not run before"}},
		{func() { w.write(map[string]string{"src/a": "2", "src/c": "3"}) }, map[string]string{
			"COPY src /src":      "a 644 6b86b273ff34 → 644 d4735e3a265e; c is new",
			"RUN copy /src/a /b": "what is below it changed",
		}},
		{func() { df = strings.Replace(df, "A=1", "A=2", 1) }, map[string]string{
			"RUN copy /src/a /b": "Env A=1 → A=2",
		}},
	} {
		tc.change()
		clear(reasons)
		w.must(df, listen)
		for k, want := range tc.want {
			if got := reasons[k]; got != want {
				t.Errorf("%s: %q, want %q", k, got, want)
			}
		}
		if len(reasons) != len(tc.want) {
			t.Errorf("%d steps ran, want %d: %q", len(reasons), len(tc.want), reasons)
		}
	}
}

// TestStepsAreTold: what the builder does itself and the images of FROM are
// steps too, numbered in one row, each of which begins and ends once.
func TestStepsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"f": "1"})
	for range 2 { // the second time from the cache
		began, ended := map[int]string{}, map[string]int{}
		total := 0
		w.must("FROM base\nCOPY f /f\nRUN true\n", func(r *Request) {
			r.Progress = func(e Event) {
				began[e.Index] = e.Vertex.Name
				total = e.Total
				switch e.Kind {
				case event.Done, event.Cached:
					ended[e.Vertex.Name]++
				}
			}
		})
		want := map[int]string{
			1: "[internal] load build context", 2: "[internal] load build definition from Dockerfile", 3: "[internal] load .dockerignore",
			4: "[internal] load metadata for base", 5: "[1/3] FROM base", 6: "[2/3] COPY f /f", 7: "[3/3] RUN true", 8: "exporting to image",
		}
		if !maps.Equal(began, want) || total != len(want) {
			t.Errorf("%d steps: %v\nwant %v", total, began, want)
		}
		for _, name := range want {
			if ended[name] != 1 {
				t.Errorf("%s ended %d times", name, ended[name])
			}
		}
	}
}

// TestSourceOfAnError: an error at a line comes with the text and all its lines.
func TestSourceOfAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := "FROM base\nRUN exit \\\n  3\n"
	_, err := w.build(src)
	var at *Error
	if !errors.As(err, &at) || string(at.Source) != src || at.Location.Line != 2 || at.Location.End != 3 {
		t.Errorf("%+v", at)
	}
}

// TestCheck reads and executes nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"Dockerfile": "# check=error=true\nFROM base\nCOPY secret /\nRUN exit 1\n", "secret": "x", ".dockerignore": "secret\n"})
	c, err := w.builder.Ask(t.Context(), []Request{{Context: w.dir}}, subrequest.AskLint)
	if err != nil {
		t.Fatal(err)
	}
	lint := c.(*subrequest.Lint)
	if len(lint.Warnings) != 1 || lint.Warnings[0].Rule != "CopyIgnoredFile" || !strings.Contains(string(lint.Sources[0].Data), "exit 1") {
		t.Errorf("%+v", lint)
	}
}

// TestCheckTellsWarningsAndMistake: what a build would fail with comes beside the warnings
// until there; and without a target each stage is looked at.
func TestCheckTellsWarningsAndMistake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"Dockerfile": "FROM base AS unneeded\nWORKDIR rel\nFROM base\nWORKDIR also\nCOPY --from=9 / /\n"})
	ask := func(target string) (*subrequest.Lint, error) {
		a, err := w.builder.Ask(t.Context(), []Request{{Context: w.dir, Target: target}}, subrequest.AskLint)
		return a.(*subrequest.Lint), err
	}
	lint, err := ask("")
	if err == nil || len(lint.Warnings) != 2 || lint.Error == nil || lint.Error.Location.Ranges[0].Start.Line != 5 || lint.Status() != 1 {
		t.Errorf("%+v, %v", lint, err)
	}
	if lint, err := ask("unneeded"); err != nil || len(lint.Warnings) != 1 || lint.Error != nil {
		t.Errorf("%+v, %v", lint, err)
	}
}

// TestAskOfLinkedBuilds: a question about a build that begins with what another makes.
func TestAskOfLinkedBuilds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"Dockerfile": "FROM made AS app\nARG X=1\n", "base.Dockerfile": "FROM base\nENV SET=1\n"})
	reqs := []Request{
		{Name: "app", Context: w.dir, Contexts: map[string]string{"made": TargetContext + "below"}},
		{Name: "below", Context: w.dir, Dockerfile: "base.Dockerfile"},
		{Name: "broken", Context: w.dir, Dockerfile: "is not there"},
	}
	a, err := w.builder.Ask(t.Context(), reqs, subrequest.AskOutline)
	if err != nil {
		t.Fatal(err)
	}
	if o := a.(*subrequest.Outline); o.Name != "app" || len(o.Args) != 1 || o.Args[0].Value != "1" {
		t.Errorf("%+v", o)
	}
	if _, err := w.builder.Ask(t.Context(), reqs[:1], subrequest.AskLint); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("without the other: %v", err)
	}
	if _, err := w.builder.Ask(t.Context(), reqs[1:2], "nonsense"); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a question that nobody knows: %v", err)
	}
}
