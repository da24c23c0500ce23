package images

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/fsstore"
	"cove/images/image"
	"cove/internal/platforms"
	"cove/layers"
	"cove/layers/compress"
	"cove/layers/diff"
)

// newStore opens the images of a fresh root, without snapshots or a registry
// unless change adds them.
func newStore(t testing.TB, change func(*Config)) *Store {
	t.Helper()
	return openStore(t, t.TempDir(), change)
}

func openStore(t testing.TB, root string, change func(*Config)) *Store {
	t.Helper()
	blobs, err := fsstore.Open(filepath.Join(root, "images"), fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Root: root, Content: blobs}
	if change != nil {
		change(&cfg)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.Close(), blobs.Close() })
	return s
}

// rootfs is a tar with the given files.
func rootfs(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for name, body := range files {
		hdr := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), ModTime: time.Unix(1, 0), Typeflag: tar.TypeReg}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// addImage makes an image of n layers whose content depends on seed.
func addImage(t testing.TB, s *Store, name, seed string, n int) image.Image {
	t.Helper()
	ctx := context.Background()
	hold, err := s.cfg.Content.Lease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Release()
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	config := ocispec.Image{Created: &created, Platform: platforms.Host(), RootFS: ocispec.RootFS{Type: "layers"}}
	config.Config.Labels = map[string]string{"seed": seed}
	var ls []layers.Layer
	for i := range n {
		// The lowest layer is the same in all images.
		body := map[string]string{fmt.Sprint("file", i): fmt.Sprint(i)}
		if i > 0 {
			body["seed"] = seed
		}
		layer, err := diff.FromTar(ctx, content.Holding(s.cfg.Content, hold), bytes.NewReader(rootfs(t, body)), diff.Options{Compress: compress.Options{}})
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, layer.Layer)
		config.History = append(config.History, ocispec.History{Created: &created, CreatedBy: fmt.Sprint("step ", i)})
	}
	config.RootFS.DiffIDs = diffIDs(ls)
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	img, err := s.Create(ctx, name, raw, ls, hold)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// holds reports whether a blob is stored.
func holds(s *Store, dgst digest.Digest) bool {
	_, err := s.cfg.Content.Stat(context.Background(), dgst)
	return err == nil
}

func nameList(t testing.TB, s *Store) []string {
	t.Helper()
	list, err := s.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, img := range list {
		if len(img.Names) == 0 {
			out = append(out, "<none>")
		}
		for _, n := range img.Names {
			out = append(out, n.Familiar())
		}
	}
	return out
}
