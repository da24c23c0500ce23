package unpack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"cove/errdefs"
	"cove/layers"
	"cove/layers/archive"
	"cove/layers/compress"
	"cove/layers/snapshot"
	"cove/layers/snapshot/native"
	"cove/layers/snapshot/overlay"
	tt "cove/layers/treetest"
	"cove/layers/unpack"

	_ "cove/layers/compress/codec/linked"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// image is a stack of layers and their blobs.
type image struct {
	layers []layers.Layer
	blobs  [][]byte
}

func pack(t testing.TB, tars ...[]byte) image {
	t.Helper()
	var img image
	for i, data := range tars {
		c := []compress.Compression{compress.Gzip, compress.Zstd, compress.None}[i%3]
		var b bytes.Buffer
		w, err := compress.NewWriter(&b, compress.Options{Compression: c})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		img.blobs = append(img.blobs, b.Bytes())
		img.layers = append(img.layers, layers.Layer{
			Blob:   ocispec.Descriptor{Digest: digest.FromBytes(b.Bytes()), Size: int64(b.Len())},
			DiffID: layers.DiffID(digest.FromBytes(data)),
		})
	}
	return img
}

func (img image) chain(n int) string {
	var c layers.ChainID
	for _, l := range img.layers[:n] {
		c = c.Append(l.DiffID)
	}
	return string(c)
}

func (img image) open(_ context.Context, i int) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(img.blobs[i])), nil
}

// each runs a test with every snapshotter that works here.
func each(t *testing.T, test func(*testing.T, snapshot.Snapshotter)) {
	t.Run("native", func(t *testing.T) {
		s, err := native.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
	t.Run("overlay", func(t *testing.T) {
		if err := overlay.Supported(t.TempDir()); err != nil {
			t.Skipf("needs root: %v", err)
		}
		s, err := overlay.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
}

func unpacker(s snapshot.Snapshotter) *unpack.Unpacker {
	return &unpack.Unpacker{Snapshots: s, Archive: archive.Options{Unprivileged: os.Geteuid() != 0}}
}

func names(t *testing.T, s snapshot.Snapshotter, key string) string {
	t.Helper()
	m, err := s.Mounts(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	var list string
	err = overlay.With(t.Context(), m, func(dir string) error {
		lines := tt.Describe(t, dir+"/.")
		var keys []string
		for k := range lines {
			keys = append(keys, k)
		}
		list = tt.Join(keys)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func keys(t *testing.T, s snapshot.Snapshotter) (n int, active []string) {
	t.Helper()
	for info, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; info.Kind != snapshot.Committed {
			active = append(active, info.Key)
		}
	}
	return n, active
}

func TestUnpack(t *testing.T) {
	each(t, func(t *testing.T, s snapshot.Snapshotter) {
		img := pack(t,
			tt.Tar(t, tt.Dir("usr"), tt.Dir("usr/bin"), tt.Symlink("bin", "usr/bin"), tt.File("usr/bin/sh", "1"), tt.File("gone", "1")),
			tt.Tar(t, tt.File("bin/ls", "2"), tt.File(".wh.gone", "")),
			tt.Tar(t, tt.Link("etc/ls", "usr/bin/ls")),
			tt.Tar(t, tt.File("top", "4")),
		)
		u := unpacker(s)
		var mu sync.Mutex
		opened, done := map[int]int{}, map[int]int{}
		u.Done = func(i int, _ layers.Layer) { mu.Lock(); done[i]++; mu.Unlock() }
		open := func(ctx context.Context, i int) (io.ReadCloser, error) {
			mu.Lock()
			opened[i]++
			mu.Unlock()
			return img.open(ctx, i)
		}
		if err := u.Unpack(t.Context(), img.layers[:2], open); err != nil {
			t.Fatal(err)
		}
		if n, err := u.Have(t.Context(), img.layers); n != 2 || err != nil {
			t.Errorf("have %d, %v; want 2", n, err)
		}
		if err := u.Unpack(t.Context(), img.layers, open); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(opened) != "map[0:1 1:1 2:1 3:1]" || fmt.Sprint(done) != "map[0:2 1:2 2:1 3:1]" {
			t.Errorf("opened %v, done %v", opened, done)
		}
		if got, want := names(t, s, img.chain(4)), "bin etc etc/ls top usr usr/bin usr/bin/ls usr/bin/sh"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if got, want := names(t, s, img.chain(1)), "bin gone usr usr/bin usr/bin/sh"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		for i, want := range []int64{2, 1, 0, 1} { // a whiteout and a hard link add nothing
			if n, err := s.Size(t.Context(), img.chain(i+1)); err != nil || n != want {
				t.Errorf("layer %d has files of %d bytes, %v; want %d", i+1, n, err, want)
			}
		}
		if n, active := keys(t, s); n != 4 || active != nil {
			t.Errorf("%d snapshots, active %v", n, active)
		}
	})
}

// The layers of an overlay must not wait for each other without need, and one
// that needs what is below must wait.
func TestOrder(t *testing.T) {
	if err := overlay.Supported(t.TempDir()); err != nil {
		t.Skipf("needs root: %v", err)
	}
	s, err := overlay.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	img := pack(t,
		tt.Tar(t, tt.Dir("a"), tt.Symlink("l", "a")),
		tt.Tar(t, tt.File("l/f", "2")),
		tt.Tar(t, tt.File("g", "3")))
	third := make(chan struct{})
	open := func(ctx context.Context, i int) (io.ReadCloser, error) {
		blob, err := img.open(ctx, i)
		switch i {
		case 0: // the lowest comes last
			<-third
			time.Sleep(20 * time.Millisecond)
		case 2:
			blob = onEOF{blob, sync.OnceFunc(func() { close(third) })}
		}
		return blob, err
	}
	u := unpacker(s)
	if err := u.Unpack(t.Context(), img.layers, open); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, s, img.chain(3)), "a a/f g l"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

type onEOF struct {
	io.ReadCloser
	fn func()
}

func (r onEOF) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err == io.EOF {
		r.fn()
	}
	return n, err
}

func TestCorrupt(t *testing.T) {
	each(t, func(t *testing.T, s snapshot.Snapshotter) {
		good := pack(t, tt.Tar(t, tt.File("a", "1")), tt.Tar(t, tt.File("b", "2")), tt.Tar(t, tt.File("c", "3")))
		lying := good
		lying.layers = append([]layers.Layer(nil), good.layers...)
		lying.layers[1].DiffID = layers.DiffID(digest.FromString("something else"))
		u := unpacker(s)
		err := u.Unpack(t.Context(), lying.layers, lying.open)
		if !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), string(lying.layers[1].Blob.Digest)) {
			t.Errorf("a wrong diffID: %v; want ErrCorrupt naming the layer", err)
		}
		for _, n := range []int{2, 3} {
			if _, err := s.Stat(t.Context(), lying.chain(n)); !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("chain %d was kept: %v", n, err)
			}
		}
		if _, active := keys(t, s); active != nil {
			t.Errorf("left: %v", active)
		}
		broken := good
		broken.blobs = [][]byte{good.blobs[0], good.blobs[1][:len(good.blobs[1])-5], good.blobs[2]}
		if err := u.Unpack(t.Context(), broken.layers, broken.open); !errors.Is(err, errdefs.ErrCorrupt) {
			t.Errorf("a cut blob: %v", err)
		}
		cut := func(ctx context.Context, i int) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(good.blobs[i][:20]), iotest.ErrReader(io.ErrClosedPipe))), nil
		}
		if err := u.Unpack(t.Context(), good.layers, cut); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a broken connection: %v", err)
		}
		if err := u.Unpack(t.Context(), good.layers, good.open); err != nil {
			t.Errorf("after all that: %v", err)
		}
	})
}

// Two at once, as two pulls of one image: both succeed.
func TestTogether(t *testing.T) {
	each(t, func(t *testing.T, s snapshot.Snapshotter) {
		var tars [][]byte
		for i := range 6 {
			tars = append(tars, tt.Tar(t, tt.File(fmt.Sprintf("d/f%d", i), strings.Repeat("x", 100000))))
		}
		img := pack(t, tars...)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := unpacker(s).Unpack(t.Context(), img.layers, img.open); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, active := keys(t, s); n != 6 || active != nil {
			t.Errorf("%d snapshots, active %v", n, active)
		}
		if got, want := names(t, s, img.chain(6)), "d d/f0 d/f1 d/f2 d/f3 d/f4 d/f5"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, s snapshot.Snapshotter) {
		img := pack(t, tt.Tar(t, tt.File("a", "1")), tt.Tar(t, tt.File("b", "2")))
		ctx, cancel := context.WithCancel(t.Context())
		err := unpacker(s).Unpack(ctx, img.layers, func(ctx context.Context, i int) (io.ReadCloser, error) {
			cancel()
			return img.open(ctx, i)
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want Canceled", err)
		}
		if _, active := keys(t, s); active != nil {
			t.Errorf("left: %v", active)
		}
	})
}

func TestHold(t *testing.T) {
	each(t, func(t *testing.T, s snapshot.Snapshotter) {
		img := pack(t, tt.Tar(t, tt.File("a", "1")))
		u := unpacker(s)
		var held []string
		u.Hold = func(_ context.Context, key string) error { held = append(held, key); return nil }
		if err := u.Unpack(t.Context(), img.layers, img.open); err != nil {
			t.Fatal(err)
		}
		if len(held) != 2 || !strings.HasPrefix(held[0], "unpack/") || held[1] != img.chain(1) {
			t.Errorf("held %v", held)
		}
		u.Hold = func(context.Context, string) error { return errdefs.Errorf(errdefs.ErrUnavailable, "no") }
		other := pack(t, tt.Tar(t, tt.File("b", "1")))
		if err := u.Unpack(t.Context(), other.layers, other.open); !errors.Is(err, errdefs.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	})
}
