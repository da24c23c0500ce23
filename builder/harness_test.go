package builder

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/event"
	"cove/content"
	"cove/content/memstore"
	"cove/errdefs"
	"cove/layers"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/diff"
	"cove/layers/mount"
	"cove/layers/snapshot"
	"cove/layers/snapshot/native"
	"cove/layers/snapshot/overlay"
	"cove/layers/unpack"
)

// world is a builder with everything around it: stores in memory and in a
// temporary directory, base images made of literal files, and an executor
// whose commands are a few verbs on files.
type world struct {
	t       testing.TB
	dir     string // the context
	store   content.Store
	snaps   snapshot.Snapshotter
	exec    *fakeExec
	images  map[string]Base
	builder *Builder
	now     time.Time

	mu     sync.Mutex
	events []string
}

func newWorld(t *testing.T) *world { return newWorldOn(t, memstore.New(time.Now)) }

func newWorldOn(t *testing.T, store content.Store) *world {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: a build writes files of other owners")
	}
	root := t.TempDir()
	w := &world{
		t: t, dir: filepath.Join(root, "context"), store: store, images: map[string]Base{},
		exec: &fakeExec{t: t}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	var err error
	if overlay.Supported(root) == nil {
		w.snaps, err = overlay.New(filepath.Join(root, "snapshots"))
	} else {
		w.snaps, err = native.New(filepath.Join(root, "snapshots"))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.builder, err = New(Config{
		Content: w.store, Snapshots: w.snaps, Resolver: w, Executor: w.exec, Root: filepath.Join(root, "build"),
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(time.Second); return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.image("base", `{"Env":["PATH=/bin"],"Cmd":["sh"]}`, map[string]string{
		"bin/sh": "shell", "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
		"etc/group": "root:x:0:\napp:x:1001:\nweb:x:33:\n", "lib -> usr/lib": "", "usr/lib/libc.so": "libc", "home/app/": "",
	})
	w.image("owned", `{}`, map[string]string{"lib/new": "n", "owned": "o"})
	return w
}

// image makes a base image of files; "a -> b" is a link, "a/" a directory.
func (w *world) image(name, config string, files map[string]string) {
	w.t.Helper()
	l, err := diff.Stream(w.t.Context(), w.store, diff.Options{}, func(tw *archive.Writer) error {
		for _, f := range slices.Sorted(maps.Keys(files)) {
			h := &tar.Header{Name: f, Mode: 0o755, Typeflag: tar.TypeReg, Size: int64(len(files[f])), ModTime: time.Unix(1e9, 0)}
			if f == "owned" {
				h.Uid, h.Gid = 5, 6
			}
			if from, to, ok := strings.Cut(f, " -> "); ok {
				h.Name, h.Linkname, h.Typeflag, h.Size, h.Mode = from, to, tar.TypeSymlink, 0, 0o777
			} else if strings.HasSuffix(f, "/") {
				h.Typeflag = tar.TypeDir
			}
			if err := tw.Add(h, strings.NewReader(files[f])); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	raw := fmt.Sprintf(`{"os":"linux","architecture":"amd64","created":"2025-01-01T00:00:00Z","config":%s,
		"rootfs":{"type":"layers","diff_ids":[%q]},"history":[{"created_by":"base layer"}]}`, config, l.DiffID)
	b := Base{Name: name, RawConfig: []byte(raw), Layers: []layers.Layer{l.Layer}, Manifest: ocispec.Descriptor{Digest: digest.FromString(raw)}}
	if err := json.Unmarshal(b.RawConfig, &b.Config); err != nil {
		w.t.Fatal(err)
	}
	w.images[name] = b
}

// Resolve implements Resolver.
func (w *world) Resolve(_ context.Context, name string, _ ocispec.Platform) (Base, error) {
	if b, ok := w.images[name]; ok {
		return b, nil
	}
	return Base{}, errdefs.Errorf(errdefs.ErrNotFound, "image %s: not found", name)
}

// Unpack implements Resolver.
func (w *world) Unpack(ctx context.Context, base Base) error {
	w.exec.add("unpack " + base.Name)
	u := unpack.Unpacker{Snapshots: w.snaps}
	return u.Unpack(ctx, base.Layers, func(ctx context.Context, i int) (io.ReadCloser, error) {
		r, err := w.store.Open(ctx, base.Layers[i].Blob)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(content.NewReader(r)), nil
	})
}

// Fetch implements Resolver.
func (w *world) Fetch(ctx context.Context, base Base) error {
	for _, l := range base.Layers {
		if _, err := w.store.Stat(ctx, l.Blob.Digest); err != nil {
			return err
		}
	}
	return nil
}

// write makes files in the context.
func (w *world) write(files map[string]string) {
	w.t.Helper()
	for name, data := range files {
		from, to, link := strings.Cut(name, " -> ")
		p := filepath.Join(w.dir, from)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if link {
			if err := os.Symlink(to, p); err != nil {
				w.t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(p, []byte(data), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
}

// build builds a Dockerfile and returns the result; the executor's log begins anew.
func (w *world) build(dockerfile string, change ...func(*Request)) (*built, error) {
	w.t.Helper()
	w.exec.reset()
	req := Request{Context: w.dir, Dockerfile: "-", Stdin: strings.NewReader(dockerfile), Platforms: []ocispec.Platform{{OS: "linux", Architecture: "amd64"}}}
	req.Progress = func(e Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if e.Kind == event.Log {
			w.events = append(w.events, string(e.Data))
		}
	}
	for _, c := range change {
		c(&req)
	}
	res, err := w.builder.Build(w.t.Context(), req)
	if err != nil {
		w.checkClean()
		return nil, err
	}
	w.t.Cleanup(func() { _ = res.Lease.Release() })
	w.checkClean()
	return w.read(res), nil
}

// must is build for what must succeed.
func (w *world) must(dockerfile string, change ...func(*Request)) *built {
	w.t.Helper()
	b, err := w.build(dockerfile, change...)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// checkClean fails when a build left an active snapshot or a temporary file.
func (w *world) checkClean() {
	w.t.Helper()
	for info, err := range w.snaps.All(context.Background()) {
		if err != nil {
			w.t.Fatal(err)
		}
		if info.Kind != snapshot.Committed {
			w.t.Errorf("the build left %s snapshot %s", info.Kind, info.Key)
		}
	}
	for _, dir := range []string{"tmp", "."} {
		entries, _ := os.ReadDir(filepath.Join(w.builder.cfg.Root, dir))
		for _, e := range entries {
			if dir == "tmp" || strings.HasPrefix(e.Name(), "context-") {
				w.t.Errorf("the build left %s/%s", dir, e.Name())
			}
		}
	}
}

// built is an image as its reader sees it.
type built struct {
	*Result
	manifest ocispec.Manifest
	config   struct {
		ocispec.Image
		Config struct {
			ocispec.ImageConfig
			Healthcheck any      `json:",omitempty"`
			OnBuild     []string `json:",omitempty"`
		} `json:"config"`
	}
	files map[string]string // path → "mode uid:gid content", from the layers
	times map[string]time.Time
	// xattrs are the attributes of each path, nil for none.
	xattrs map[string]map[string]string
}

func (w *world) read(res *Result) *built {
	w.t.Helper()
	b := &built{Result: res, files: map[string]string{}, times: map[string]time.Time{}, xattrs: map[string]map[string]string{}}
	raw, err := content.ReadBlob(w.t.Context(), w.store, res.Image().Target)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &b.manifest); err != nil {
		w.t.Fatal(err)
	}
	if raw, err = content.ReadBlob(w.t.Context(), w.store, b.manifest.Config); err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &b.config); err != nil {
		w.t.Fatal(err)
	}
	if len(b.config.RootFS.DiffIDs) != len(b.manifest.Layers) {
		w.t.Fatalf("%d diffIDs, %d layers", len(b.config.RootFS.DiffIDs), len(b.manifest.Layers))
	}
	n := 0
	for _, h := range b.config.History {
		if !h.EmptyLayer {
			n++
		}
	}
	if n != len(b.manifest.Layers) {
		w.t.Errorf("the history has %d layers, the image %d", n, len(b.manifest.Layers))
	}
	for i, l := range b.manifest.Layers {
		w.readLayer(b, l, b.config.RootFS.DiffIDs[i])
	}
	return b
}

func (w *world) readLayer(b *built, l ocispec.Descriptor, diffID digest.Digest) {
	r, err := w.store.Open(w.t.Context(), l)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	z, err := compress.NewReader(w.t.Context(), content.NewReader(r), compress.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer z.Close()
	d := digest.SHA256.Digester()
	tee := io.TeeReader(z, d.Hash())
	tr := tar.NewReader(tee)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			w.t.Fatal(err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		if dir, base := path.Split(name); strings.HasPrefix(base, ".wh.") {
			delete(b.files, dir+strings.TrimPrefix(base, ".wh."))
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			w.t.Fatal(err)
		}
		body := string(data)
		switch h.Typeflag {
		case tar.TypeDir:
			body = "dir"
		case tar.TypeSymlink, tar.TypeLink:
			body = "-> " + h.Linkname
		}
		b.files[name] = fmt.Sprintf("%o %d:%d %s", h.Mode, h.Uid, h.Gid, body)
		b.times[name] = h.ModTime
		delete(b.xattrs, name)
		for key, value := range h.PAXRecords {
			if attr, ok := strings.CutPrefix(key, archive.XattrPrefix); ok {
				if b.xattrs[name] == nil {
					b.xattrs[name] = map[string]string{}
				}
				b.xattrs[name][attr] = value
			}
		}
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		w.t.Fatal(err)
	}
	if d.Digest() != diffID {
		w.t.Errorf("a layer's diffID is %s, the config says %s", d.Digest(), diffID)
	}
}

// fakeExec runs scripts of a few verbs, one a line.
type fakeExec struct {
	t    testing.TB
	mu   sync.Mutex
	log  []string
	hook func(r ExecRequest) error
}

func (x *fakeExec) add(s string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.log = append(x.log, s)
}

func (x *fakeExec) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.log = nil
}

// ran lists what was executed since the last build began, sorted.
func (x *fakeExec) ran() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Sorted(slices.Values(x.log))
}

// Exec implements Executor: it leaves nothing but what the script makes.
func (x *fakeExec) Exec(ctx context.Context, r ExecRequest) error {
	script := r.Args[len(r.Args)-1]
	x.add(script)
	if x.hook != nil {
		if err := x.hook(r); err != nil {
			return err
		}
	}
	return overlay.With(ctx, r.Root, func(dir string) error {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		for _, line := range strings.Split(script, "\n") {
			if err := x.verb(root, r, strings.Fields(line)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (x *fakeExec) verb(root *os.Root, r ExecRequest, f []string) error {
	if len(f) == 0 {
		return nil
	}
	arg := func(i int) string {
		if i < len(f) {
			return strings.TrimPrefix(f[i], "/")
		}
		return ""
	}
	switch f[0] {
	case "write": // write PATH WORD…
		if err := root.MkdirAll(path.Dir(arg(1)), 0o755); err != nil {
			return err
		}
		return writeFixed(root, arg(1), []byte(strings.Join(f[2:], " ")))
	case "copy": // copy FROM TO
		data, err := root.ReadFile(arg(1))
		if err != nil {
			return err
		}
		return writeFixed(root, arg(2), data)
	case "secret": // secret TARGET TO: writes what is mounted at TARGET
		for _, m := range r.Mounts {
			if m.Target == f[1] {
				data, err := os.ReadFile(m.Mount.Source)
				if err != nil {
					return err
				}
				return root.WriteFile(arg(2), data, 0o644)
			}
		}
		return fmt.Errorf("nothing is mounted at %s", f[1])
	case "print": // print TARGET: prints what is mounted, byte by byte
		for _, m := range r.Mounts {
			if m.Target == f[1] {
				data, err := os.ReadFile(m.Mount.Source)
				for _, b := range data {
					fmt.Fprintf(r.Stdout, "%c", b)
				}
				return err
			}
		}
		return fmt.Errorf("nothing is mounted at %s", f[1])
	case "rm":
		return root.RemoveAll(arg(1))
	case "env": // env TO
		return root.WriteFile(arg(1), []byte(strings.Join(r.Env, "\n")), 0o644)
	case "echo":
		fmt.Fprintln(r.Stdout, strings.Join(f[1:], " "))
		return nil
	case "true":
		return nil
	case "exit":
		n, _ := strconv.Atoi(arg(1))
		return &ExitError{Code: n}
	}
	return fmt.Errorf("the fake executor has no verb %q", f[0])
}

// writeFixed writes a file whose time does not tell when.
func writeFixed(root *os.Root, name string, data []byte) error {
	at := time.Unix(1_500_000_000, 0)
	return errors.Join(root.WriteFile(name, data, 0o644), root.Chtimes(name, at, at))
}

// mountAt finds a mount of a request.
func mountAt(r ExecRequest, target string) (mount.Mount, bool) {
	for _, m := range r.Mounts {
		if m.Target == target {
			return m.Mount, true
		}
	}
	return mount.Mount{}, false
}
