package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/images/image"
	"cove/images/removal"

	_ "cove/layers/compress/codec/linked"
)

func TestGet(t *testing.T) {
	t.Parallel()
	s := newStore(t, nil)
	a := addImage(t, s, "you/app:v1", "a", 2)
	if err := s.Tag(t.Context(), "you/app:v1", "redis"); err != nil {
		t.Fatal(err)
	}
	hex := a.ID.Encoded()
	for _, name := range []string{
		"you/app:v1", "docker.io/you/app:v1", "redis", "redis:latest", hex, "sha256:" + hex, hex[:12], "sha256:" + hex[:3],
		"redis@" + a.Target.Digest.String(), "you/app@" + a.Target.Digest.String(),
	} {
		img, err := s.Get(t.Context(), name)
		if err != nil || img.ID != a.ID {
			t.Errorf("Get(%q) = %s, %v", name, img.ID, err)
		}
	}
	for name, kind := range map[string]error{
		"you/app": errdefs.ErrNotFound, "you/app:v2": errdefs.ErrNotFound, strings.Repeat("0", 64): errdefs.ErrNotFound,
		"0000000000": errdefs.ErrNotFound, "UPPER": errdefs.ErrInvalid, "": errdefs.ErrInvalid,
		"other@" + a.Target.Digest.String(): errdefs.ErrNotFound,
	} {
		if _, err := s.Get(t.Context(), name); !errors.Is(err, kind) {
			t.Errorf("Get(%q): %v, want kind %v", name, err, kind)
		}
	}
	img, err := s.Get(t.Context(), "redis")
	if err != nil || len(img.Names) != 2 || len(img.Layers) != 2 || img.Created.Year() != 2026 || img.ChainID() == "" {
		t.Errorf("image %+v, %v", img, err)
	}
}

func TestAmbiguousPrefix(t *testing.T) {
	t.Parallel()
	s := newStore(t, nil)
	seen := map[string]image.Image{}
	for i := 0; ; i++ {
		img := addImage(t, s, fmt.Sprint("img:", i), fmt.Sprint(i), 1)
		prefix := img.ID.Encoded()[:1]
		if first, ok := seen[prefix]; ok {
			_, err := s.Get(t.Context(), prefix)
			if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), first.ID.Encoded()[:12]) || !strings.Contains(err.Error(), img.ID.Encoded()[:12]) {
				t.Errorf("Get(%q): %v, want both candidates named", prefix, err)
			}
			return
		}
		seen[prefix] = img
	}
}

func TestTagMovesAndLeavesADanglingImage(t *testing.T) {
	t.Parallel()
	s := newStore(t, nil)
	a := addImage(t, s, "app", "a", 2)
	b := addImage(t, s, "app", "b", 2)
	if got := nameList(t, s); !slices.Contains(got, "app:latest") || !slices.Contains(got, "<none>") || len(got) != 2 {
		t.Fatalf("after building twice: %q", got)
	}
	if img, err := s.Get(t.Context(), "app"); err != nil || img.ID != b.ID {
		t.Errorf("app is %s, %v", img.ID, err)
	}
	// A name for the dangling one makes it whole again.
	if err := s.Tag(t.Context(), a.ID.String(), "old"); err != nil {
		t.Fatal(err)
	}
	if got := nameList(t, s); slices.Contains(got, "<none>") || len(got) != 2 {
		t.Errorf("after naming it: %q", got)
	}
	// Keeping an image without a name adds nothing to one that has names.
	if _, err := s.Put(t.Context(), a.Target); err != nil {
		t.Fatal(err)
	}
	if got := nameList(t, s); slices.Contains(got, "<none>") || len(got) != 2 {
		t.Errorf("after keeping it: %q", got)
	}
	for _, bad := range []string{"UPPER", "app@" + a.ID.String(), "", "sha256:sometag"} {
		if err := s.Tag(t.Context(), "old", bad); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("Tag to %q: %v", bad, err)
		}
	}
	if err := s.Tag(t.Context(), "nothing", "x"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("Tag of nothing: %v", err)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	s := newStore(t, nil)
	a := addImage(t, s, "app:1", "a", 2)
	b := addImage(t, s, "base", "b", 1) // its layer is a's lowest
	if err := s.Tag(t.Context(), "app:1", "app:2"); err != nil {
		t.Fatal(err)
	}
	removed, err := s.Remove(t.Context(), "app:1", removal.Options{})
	if err != nil || !slices.Equal(removed.Untagged, []string{"app:1"}) || removed.Deleted != nil {
		t.Fatalf("removing one of two names: %+v, %v", removed, err)
	}
	if !holds(s, a.ID) {
		t.Fatal("the image went with one of its names")
	}
	removed, err = s.Remove(t.Context(), "app:2", removal.Options{})
	if err != nil || !slices.Equal(removed.Deleted, []string{a.ID.String()}) || removed.Freed == 0 {
		t.Fatalf("removing the last name: %+v, %v", removed, err)
	}
	for _, d := range []digest.Digest{a.ID, a.Target.Digest, a.Layers[1].Blob.Digest} {
		if holds(s, d) {
			t.Errorf("%s is still there", d)
		}
	}
	for _, d := range []digest.Digest{b.ID, b.Target.Digest, b.Layers[0].Blob.Digest} {
		if !holds(s, d) {
			t.Errorf("%s, which another image needs, is gone", d)
		}
	}
	if _, err := s.Remove(t.Context(), "app:2", removal.Options{}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("removing it again: %v", err)
	}
}

func TestRemoveConflicts(t *testing.T) {
	t.Parallel()
	s := newStore(t, nil)
	a := addImage(t, s, "one", "a", 1)
	if err := s.Tag(t.Context(), "one", "two"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(t.Context(), a.ID.String(), removal.Options{}); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("by id, with names in two repositories: %v", err)
	}
	user := removal.User{Name: "container 4f5e (db)"}
	used := removal.Options{UsedBy: func(context.Context) (map[digest.Digest]removal.User, error) {
		return map[digest.Digest]removal.User{a.ID: user}, nil
	}}
	if _, err := s.Remove(t.Context(), "one", used); err != nil {
		t.Errorf("one of two names of an image in use: %v", err)
	}
	forced := used
	forced.Force = true
	refused := func(what, name string, o removal.Options, say string) {
		t.Helper()
		_, err := s.Remove(t.Context(), name, o)
		if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "container 4f5e (db)") || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %q", what, err, say)
		}
	}
	refused("the last name of an image in use", "two", used, "(must force)")
	refused("by id, stopped", a.ID.String(), used, "(must be forced)")
	user.Running = true
	refused("by id, running", a.ID.String(), forced, "(cannot be forced)")
	if removed, err := s.Remove(t.Context(), "two", forced); err != nil || len(removed.Untagged) != 1 || removed.Deleted != nil {
		t.Errorf("by force: %+v, %v", removed, err)
	}
	if img, err := s.Get(t.Context(), a.ID.String()); err != nil || len(img.Names) != 0 {
		t.Errorf("it did not stay without a name: %+v, %v", img.Names, err)
	}
	user.Running = false
	refused("by id, with no name left", a.ID.Encoded()[:12], forced, "(cannot be forced)")
	if err := s.Tag(t.Context(), a.ID.String(), "again"); err != nil {
		t.Fatal(err)
	}
	unnamed := removal.Options{Unnamed: true}
	if _, err := s.Remove(t.Context(), a.ID.String(), unnamed); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("one that has a name by now: %v", err)
	}
	if removed, err := s.Remove(t.Context(), a.ID.String(), forced); err != nil || len(removed.Untagged) != 1 || removed.Deleted != nil {
		t.Errorf("by id and force, stopped: %+v, %v", removed, err)
	}
	if removed, err := s.Remove(t.Context(), a.ID.String(), unnamed); err != nil || len(removed.Deleted) != 1 || holds(s, a.ID) {
		t.Errorf("nothing uses it any more: %+v, %v", removed, err)
	}
}

func TestRemoveKeepsWhatIsInUse(t *testing.T) {
	t.Parallel()
	var inUse []string
	s := newStore(t, func(c *Config) {
		c.InUse = func(context.Context) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for _, ref := range inUse {
					if !yield(ref, nil) {
						return
					}
				}
			}
		}
	})
	a := addImage(t, s, "app", "a", 2)
	inUse = a.Refs()
	if _, err := s.Remove(t.Context(), "app", removal.Options{Force: true}); err != nil {
		t.Fatal(err)
	}
	if !holds(s, a.ID) || !holds(s, a.Layers[0].Blob.Digest) {
		t.Fatal("what a container uses is gone")
	}
	inUse = nil
	lease, err := s.cfg.Content.Lease(t.Context(), a.Layers[0].Blob.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.Collect(t.Context())
	if err != nil || holds(s, a.ID) || !holds(s, a.Layers[0].Blob.Digest) || len(done.Refs) != 3 {
		t.Fatalf("collected %+v, %v; want all but what is leased", done, err)
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	if done, err = s.Collect(t.Context()); err != nil || len(done.Refs) != 1 {
		t.Errorf("collected %+v, %v; want the rest", done, err)
	}
}

func TestRemoveOfABrokenImage(t *testing.T) {
	t.Parallel()
	s := newStore(t, nil)
	a := addImage(t, s, "app", "a", 1)
	if err := s.cfg.Content.Delete(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "app"); !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), a.ID.String()) {
		t.Errorf("Get: %v, want the missing blob named", err)
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Broken == nil || list[0].ID != a.ID || len(list[0].Names) != 1 {
		t.Errorf("List: %+v, %v; want it shown as broken", list, err)
	}
	if _, err := s.Remove(t.Context(), "app", removal.Options{}); err != nil {
		t.Errorf("Remove: %v", err)
	}
}

func TestIndexIsAProjection(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := openStore(t, root, nil)
	a := addImage(t, s, "redis:7", "a", 1)
	b := addImage(t, s, "harbor.example.com:85/p/app", "b", 1)
	want := map[string]digest.Digest{
		"docker.io/library/redis:7": a.Target.Digest, "redis:7": a.Target.Digest,
		"harbor.example.com:85/p/app:latest": b.Target.Digest,
	}
	got := map[string]digest.Digest{}
	raw, err := os.ReadFile(filepath.Join(root, "images", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	for _, d := range index.Manifests {
		got[d.Annotations[ocispec.AnnotationRefName]] = d.Digest
		if d.Size == 0 || d.MediaType != ocispec.MediaTypeImageManifest {
			t.Errorf("entry %+v", d)
		}
	}
	if len(got) != len(want) || len(index.Manifests) != len(want) {
		t.Errorf("index.json lists %v, want %v", got, want)
	}
	for name, d := range want {
		if got[name] != d {
			t.Errorf("%s is %s, want %s", name, got[name], d)
		}
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s := newStore(t, nil)
	addImage(t, s, "app", "a", 3)
	img, err := s.Get(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	entries := s.Sizes().History(t.Context(), img)
	if len(entries) != 3 {
		t.Fatalf("%+v", entries)
	}
	if entries[0].CreatedBy != "step 2" || entries[2].CreatedBy != "step 0" {
		t.Errorf("order: %+v", entries)
	}
	// A tar with one small file is 3 blocks of 512 and padding; its gzip is less.
	if entries[2].Size < 1024 {
		t.Errorf("size of the lowest layer: %d, want that of its tar", entries[2].Size)
	}
	if got := s.Sizes().Image(t.Context(), img); got != entries[0].Size+entries[1].Size+entries[2].Size {
		t.Errorf("Size = %d", got)
	}
}
