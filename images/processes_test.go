package images

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/fsstore"
	"cove/errdefs"
	"cove/images/image"
	"cove/images/removal"
	"cove/internal/platforms"
	"cove/layers"
)

// workerRole tells the test binary to be one of many processes on one root.
const workerRole = "COVE_IMAGES_WORKER"

func TestMain(m *testing.M) {
	if role := os.Getenv(workerRole); role != "" {
		if err := work(role); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type role struct {
	Root  string
	Seed  uint64
	Steps int
}

// report is what a worker did and what must hold of it at the end.
type report struct {
	Did  map[string]int
	Name map[string]string // own names, and the image id that each must have
}

// work builds, tags, lists, saves, removes and collects, one at random after the
// other.
// Some names are its own, and others all workers fight for.
func work(env string) error {
	var r role
	if err := json.Unmarshal([]byte(env), &r); err != nil {
		return err
	}
	blobs, err := fsstore.Open(filepath.Join(r.Root, "images"), fsstore.Options{})
	if err != nil {
		return err
	}
	s, err := Open(Config{Root: r.Root, Content: blobs})
	if err != nil {
		return err
	}
	w := &worker{s: s, rng: rand.New(rand.NewPCG(r.Seed, 1)), seed: r.Seed, out: report{Did: map[string]int{}, Name: map[string]string{}}}
	steps := []struct {
		name   string
		weight int
		do     func(context.Context) error
	}{
		{"build", 8, w.build},
		{"tag", 6, w.tag},
		{"untag", 4, w.untag},
		{"list", 3, w.list},
		{"check", 4, w.check},
		{"save", 1, w.save},
		{"collect", 2, w.collect},
	}
	var deck []int
	for i, st := range steps {
		for range st.weight {
			deck = append(deck, i)
		}
	}
	ctx := context.Background()
	for range r.Steps {
		st := steps[deck[w.rng.IntN(len(deck))]]
		if err := st.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
		w.out.Did[st.name]++
	}
	return json.NewEncoder(os.Stdout).Encode(w.out)
}

type worker struct {
	s    *Store
	rng  *rand.Rand
	seed uint64
	n    int
	out  report
}

func (w *worker) own() string    { return fmt.Sprintf("own%d/app:%d", w.seed, w.rng.IntN(6)) }
func (w *worker) shared() string { return fmt.Sprintf("shared/app:%d", w.rng.IntN(4)) }

// build makes an image of three blobs, two of which other workers make too, as
// a pull or a build would: lease, write, name, release.
func (w *worker) build(ctx context.Context) error {
	hold, err := w.s.cfg.Content.Lease(ctx)
	if err != nil {
		return err
	}
	defer hold.Release()
	var ls []layers.Layer
	for _, body := range []string{fmt.Sprint("common ", w.rng.IntN(5)), fmt.Sprint("worker ", w.seed, " ", w.n)} {
		w.n++
		tar := bytes.Repeat([]byte(body), 100)
		desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(tar)}
		if err := hold.Add(ctx, desc.Digest.String()); err != nil {
			return err
		}
		if _, err := w.s.cfg.Content.Stat(ctx, desc.Digest); errors.Is(err, errdefs.ErrNotFound) {
			if _, err := content.WriteBytes(ctx, w.s.cfg.Content, desc, tar); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		desc.Size = int64(len(tar))
		ls = append(ls, layers.Layer{Blob: desc, DiffID: layers.DiffID(desc.Digest)})
	}
	config, err := json.Marshal(ocispec.Image{Author: fmt.Sprint(w.seed, w.n), Platform: platforms.Host(), RootFS: ocispec.RootFS{Type: "layers", DiffIDs: diffIDs(ls)}})
	if err != nil {
		return err
	}
	name := w.own()
	if w.rng.IntN(2) == 0 {
		name = w.shared()
	}
	img, err := w.s.Create(ctx, name, config, ls, hold)
	if err == nil && strings.HasPrefix(name, "own") {
		w.out.Name[name] = img.ID.String()
	}
	// Someone may have taken a shared name and removed the image already.
	if errors.Is(err, errdefs.ErrNotFound) && strings.HasPrefix(name, "shared") {
		return nil
	}
	return err
}

func (w *worker) tag(ctx context.Context) error {
	source, target := w.shared(), w.own()
	err := w.s.Tag(ctx, source, target)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil // nobody has made that one yet
	}
	if err != nil {
		return err
	}
	img, err := w.s.Get(ctx, target)
	if err != nil {
		return fmt.Errorf("just tagged: %w", err)
	}
	w.out.Name[target] = img.ID.String()
	return nil
}

func (w *worker) untag(ctx context.Context) error {
	name := w.own()
	if w.rng.IntN(3) == 0 {
		name = w.shared()
	}
	_, err := w.s.Remove(ctx, name, removal.Options{})
	if err == nil {
		delete(w.out.Name, name)
	}
	return ignoreNotFound(err)
}

func (w *worker) list(ctx context.Context) error {
	_, err := w.s.List(ctx)
	// Another process may remove an image between its name and its manifest.
	return ignoreNotFound(err)
}

// check looks at all own names: each is what it was set to, and whole.
func (w *worker) check(ctx context.Context) error {
	for name, id := range w.out.Name {
		img, err := w.s.Get(ctx, name)
		if err != nil {
			return fmt.Errorf("lost: %w", err)
		}
		if img.ID.String() != id {
			return fmt.Errorf("%s is %s and was set to %s", name, img.ID, id)
		}
		if err := whole(ctx, w.s, img); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func whole(ctx context.Context, s *Store, img image.Image) error {
	for _, l := range img.Layers {
		if _, err := content.ReadBlob(ctx, s.cfg.Content, l.Blob); err != nil {
			return fmt.Errorf("missing blob: %w", err)
		}
	}
	return nil
}

func (w *worker) save(ctx context.Context) error {
	for name := range w.out.Name {
		return w.s.Save(ctx, &bytes.Buffer{}, []string{name})
	}
	return nil
}

func (w *worker) collect(ctx context.Context) error {
	_, err := w.s.Collect(ctx)
	return err
}

// TestManyProcesses has eight processes work on one root at once.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	const processes, steps = 8, 30
	root := t.TempDir()
	openStore(t, root, nil)
	cmds := make([]*exec.Cmd, processes)
	outs := make([]bytes.Buffer, processes)
	for i := range cmds {
		env, err := json.Marshal(role{Root: root, Seed: uint64(i + 1), Steps: steps})
		if err != nil {
			t.Fatal(err)
		}
		cmds[i] = exec.CommandContext(t.Context(), os.Args[0])
		cmds[i].Env = append(os.Environ(), workerRole+"="+string(env))
		cmds[i].Stdout, cmds[i].Stderr = &outs[i], os.Stderr
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	did := map[string]int{}
	want := map[string]string{}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("process %d: %v", i, err)
		}
		var rep report
		if err := json.Unmarshal(outs[i].Bytes(), &rep); err != nil {
			t.Fatal(err)
		}
		for k, n := range rep.Did {
			did[k] += n
		}
		for name, id := range rep.Name {
			want[name] = id
		}
	}
	s := openStore(t, root, nil)
	if _, err := s.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, id := range want {
		img, err := s.Get(t.Context(), name)
		if err != nil || img.ID.String() != id {
			t.Errorf("%s: %s, %v, want %s", name, img.ID, err, id)
		}
	}
	list, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range list {
		if err := whole(t.Context(), s, img); err != nil {
			t.Errorf("%s: %v", img.ID, err)
		}
	}
	projectionAgrees(t, root, list)
	orphans(t, s)
	t.Logf("%d processes, %v: %d names, 0 lost; %d images, 0 missing blobs", processes, did, len(want), len(list))
}

// projectionAgrees compares index.json with the names.
func projectionAgrees(t *testing.T, root string, list []image.Image) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "images/index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(b, &index); err != nil {
		t.Fatal(err)
	}
	listed := map[string]digest.Digest{}
	for _, d := range index.Manifests {
		listed[d.Annotations[ocispec.AnnotationRefName]] = d.Digest
	}
	for _, img := range list {
		for _, name := range img.Names {
			if listed[name.Familiar()] != img.Target.Digest {
				t.Errorf("index.json has %s for %s, want %s", listed[name.Familiar()], name.Familiar(), img.Target.Digest)
			}
		}
	}
}

// orphans finds what a collection should have taken.
func orphans(t *testing.T, s *Store) {
	t.Helper()
	live := map[string]bool{}
	for ref, err := range s.Roots(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		live[ref] = true
	}
	for info, err := range s.cfg.Content.All(t.Context()) {
		if err != nil || !live[info.Digest.String()] {
			t.Errorf("orphan blob %s, %v", info.Digest, err)
		}
	}
	for in, err := range s.cfg.Content.(*fsstore.Store).Ingests(t.Context()) {
		t.Errorf("orphan write %q, %v", in.ID, err)
	}
}
