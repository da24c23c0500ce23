package images

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/errdefs"
	"cove/images/image"
	"cove/images/remote"
	"cove/reference"
)

// TestPullOfWrongBytes has the registry serve a layer with one byte changed.
func TestPullOfWrongBytes(t *testing.T) {
	t.Parallel()
	var bad digest.Digest
	host := registry(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if bad != "" && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, bad.String()) {
				w = &flipper{ResponseWriter: w}
			}
			h.ServeHTTP(w, r)
		})
	})
	from, to := connected(t), connected(t)
	a := addImage(t, from, host+"/app", "a", 2)
	mustPush(t, from, host+"/app")
	bad = a.Layers[1].Blob.Digest
	_, err := to.Pull(t.Context(), host+"/app", PullOptions{})
	if !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), bad.Encoded()) {
		t.Fatalf("Pull: %v, want the corrupt layer named", err)
	}
	if holds(to, bad) {
		t.Error("the wrong bytes were stored")
	}
	if _, err := to.cfg.Snapshots.Stat(t.Context(), string(a.ChainID())); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the wrong bytes were unpacked and kept: %v", err)
	}
	if _, err := to.Get(t.Context(), host+"/app"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a name was given: %v", err)
	}
	bad = ""
	if _, err := to.Pull(t.Context(), host+"/app", PullOptions{}); err != nil {
		t.Errorf("once the registry is well again: %v", err)
	}
}

// flipper changes the last byte of what passes.
type flipper struct{ http.ResponseWriter }

func (f *flipper) Write(p []byte) (int, error) {
	p = bytes.Clone(p)
	if len(p) > 0 {
		p[len(p)-1] ^= 1
	}
	return f.ResponseWriter.Write(p)
}

// TestPullHeals pulls over a blob that rotted here and must be unpacked again.
func TestPullHeals(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	from := connected(t)
	root := t.TempDir()
	to := openStore(t, root, network(t, root))
	a := addImage(t, from, host+"/app", "a", 2)
	mustPush(t, from, host+"/app")
	if _, err := to.Pull(t.Context(), host+"/app", PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := to.cfg.Snapshots.Remove(t.Context(), string(a.ChainID())); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "images/blobs/sha256", a.Layers[1].Blob.Digest.Encoded())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := to.Unpack(t.Context(), image.Image{Layers: a.Layers}, nil, nil); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("unpacking rot, with nowhere to get it from: %v", err)
	}
	if _, err := to.Pull(t.Context(), host+"/app", PullOptions{}); err != nil {
		t.Fatalf("pulling over rot: %v", err)
	}
	if _, err := content.ReadBlob(t.Context(), to.cfg.Content, a.Layers[1].Blob); err != nil {
		t.Errorf("after the pull: %v", err)
	}
}

// TestPullHealsManifestAndConfig pulls over small blobs that rotted here: they
// are read before any layer is.
func TestPullHealsManifestAndConfig(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	from := connected(t)
	root := t.TempDir()
	to := openStore(t, root, network(t, root))
	a := addImage(t, from, host+"/app", "a", 1)
	mustPush(t, from, host+"/app")
	if _, err := to.Pull(t.Context(), host+"/app", PullOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, dgst := range []digest.Digest{a.Descriptor.Digest, a.ID} {
		path := filepath.Join(root, "images/blobs/sha256", dgst.Encoded())
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 10); err != nil {
			t.Fatal(err)
		}
		if _, err := to.Get(t.Context(), host+"/app"); !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), "pull or build it again") {
			t.Errorf("%s damaged: %v; want corrupt, and the way out", dgst, err)
		}
		if _, err := to.Pull(t.Context(), host+"/app", PullOptions{}); err != nil {
			t.Fatalf("pulling over rot: %v", err)
		}
		if _, err := to.Get(t.Context(), host+"/app"); err != nil {
			t.Errorf("after the pull: %v", err)
		}
	}
}

// TestPullOnAFullDisk runs out of space, is told so, and goes on once there is
// some.
func TestPullOnAFullDisk(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	from := connected(t)
	hold, err := from.cfg.Content.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Release()
	big := rootfs(t, map[string]string{"big": strings.Repeat("0123456789abcdef", 256<<10)}) // 4 MiB that pack well
	img, err := from.Import(t.Context(), bytes.NewReader(big), ImportOptions{Name: host + "/app"})
	if err != nil {
		t.Fatal(err)
	}
	mustPush(t, from, host+"/app")
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("needs root: mounting a small tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(root, unix.MNT_DETACH) })
	to := openStore(t, root, network(t, root))
	_, err = to.Pull(t.Context(), host+"/app", PullOptions{})
	if !errors.Is(err, errdefs.ErrExhausted) || !strings.Contains(err.Error(), "the disk of "+root+" is full") {
		t.Fatalf("Pull: %v", err)
	}
	if got := nameList(t, to); len(got) != 0 {
		t.Errorf("a name was given: %q", got)
	}
	if err := unix.Mount("", root, "", unix.MS_REMOUNT, "size=20m"); err != nil {
		t.Fatal(err)
	}
	pulled, err := to.Pull(t.Context(), host+"/app", PullOptions{})
	if err != nil || pulled.Image.ID != img.ID {
		t.Errorf("once there is space: %+v, %v", pulled.Image.ID, err)
	}
}

// TestPullOfWhatIsNotTrusted: what is refused leaves nothing here, by pull and by
// resolve; what is here already is not asked about.
func TestPullOfWhatIsNotTrusted(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	from, to := connected(t), connected(t)
	a := addImage(t, from, host+"/app", "a", 1)
	mustPush(t, from, host+"/app")
	var asked []digest.Digest
	no := errdefs.Errorf(errdefs.ErrDenied, "nobody signed it")
	to.cfg.Verify = func(_ context.Context, _ remote.Repository, ref reference.Reference, of []digest.Digest) error {
		if asked = of; ref.Registry != host {
			t.Errorf("asked about %s", ref)
		}
		return no
	}
	hold, err := to.cfg.Content.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Release()
	for _, do := range []func() error{
		func() error { _, err := to.Pull(t.Context(), host+"/app", PullOptions{}); return err },
		func() error { _, err := to.Resolve(t.Context(), host+"/app", ResolveOptions{Hold: hold}); return err },
	} {
		if err := do(); !errors.Is(err, no) || !errors.Is(err, errdefs.ErrDenied) {
			t.Errorf("%v", err)
		}
	}
	if len(asked) == 0 || asked[len(asked)-1] != a.Descriptor.Digest || holds(to, a.Descriptor.Digest) || holds(to, a.Layers[0].Blob.Digest) {
		t.Errorf("asked about %v; something is here", asked)
	}
	no = nil
	if _, err := to.Pull(t.Context(), host+"/app", PullOptions{}); err != nil {
		t.Fatal(err)
	}
	no = errdefs.Errorf(errdefs.ErrDenied, "nobody signed it")
	if _, err := to.Resolve(t.Context(), host+"/app", ResolveOptions{Hold: hold}); err != nil {
		t.Errorf("what is here: %v", err)
	}
}
