package names

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/internal/filelock"
)

func open(t *testing.T, root string) *Set {
	t.Helper()
	layout := filepath.Join(root, "images")
	if err := os.MkdirAll(layout, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(filepath.Join(root, "names"), layout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func record(name, body string) Record {
	return Record{
		Name: name, Image: digest.FromString("config " + body), Updated: time.Unix(1, 0).UTC(),
		Target: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(body), Size: int64(len(body))},
	}
}

func put(t *testing.T, s *Set, records ...Record) {
	t.Helper()
	err := s.Update(t.Context(), func(c *Change) error {
		for _, r := range records {
			if err := c.Put(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPutGetDelete(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	long := "docker.io/" + strings.Repeat("a/", 100) + "a:" + strings.Repeat("t", 128)
	for _, name := range []string{"docker.io/library/redis:7", long} {
		want := record(name, name)
		put(t, s, want)
		got, err := s.Get(name)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Get(%s) = %+v, %v", name, got, err)
		}
	}
	put(t, s, record("", "a"), record("", "b"), record("", "a"))
	all, err := s.All(t.Context())
	if err != nil || len(all) != 4 || all[0].Name != "" || all[3].Name != "docker.io/library/redis:7" {
		t.Errorf("All = %+v, %v", all, err)
	}
	for range 2 {
		if err := s.Update(t.Context(), func(c *Change) error { return c.Delete(all[3]) }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get("docker.io/library/redis:7"); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("after the delete: %v", err)
		}
	}
}

// TestKillLeavings has the files that a killed writer leaves: none may be read
// as a record, and none may stop the next writer.
func TestKillLeavings(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root)
	r := record("docker.io/library/redis:7", "a")
	put(t, s, r)
	left := filepath.Join(root, "names", "."+r.file()+".tmp-ABCDEFGHIJKL")
	if err := os.WriteFile(left, []byte(`{"name":"x`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "images", "index.json"), []byte(`{"man`), 0o644); err != nil {
		t.Fatal(err)
	}
	put(t, s, record("docker.io/library/redis:7", "b"))
	all, err := s.All(t.Context())
	if err != nil || len(all) != 1 || all[0].Target.Digest != digest.FromString("b") {
		t.Fatalf("All = %+v, %v", all, err)
	}
	if _, err := os.Lstat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v; the next writer should have removed it", left, err)
	}
	b, err := os.ReadFile(filepath.Join(root, "images", "index.json"))
	var index ocispec.Index
	if err != nil || json.Unmarshal(b, &index) != nil || len(index.Manifests) != 2 {
		t.Errorf("index.json: %s, %v", b, err)
	}
}

func TestDamagedRecordIsNamed(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root)
	r := record("docker.io/library/redis:7", "a")
	other := record("docker.io/library/redis:8", "b")
	put(t, s, r, other)
	if err := os.WriteFile(filepath.Join(root, "names", r.file()), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if all, err := s.All(t.Context()); err != nil || len(all) != 1 || all[0].Name != other.Name {
		t.Errorf("the others are %v, %v", all, err)
	}
	for _, err := range []error{second(s.Get(r.Name)), second(s.Whole(t.Context()))} {
		if !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), r.file()) {
			t.Errorf("a damaged record: %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestUpdateWaits(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root)
	f, err := os.OpenFile(filepath.Join(root, "names", lockFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := filelock.Try(f, filelock.Exclusive); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Update(ctx, func(*Change) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Update while another process changes names: %v", err)
	}
	if err := filelock.Release(f); err != nil {
		t.Fatal(err)
	}
	put(t, s, record("docker.io/library/a:1", "a"))
}

// TestMoveSeveral: names that one transaction gives count for those that come after them.
func TestMoveSeveral(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	put(t, s, record("a", "old"), record("b", "old"), record("c", "other"), record("", "new"))
	err := s.Update(t.Context(), func(c *Change) error {
		all, err := c.All(t.Context())
		if err != nil {
			return err
		}
		return c.Move(all, record("a", "new"), record("b", "new"), record("a", "new"), record("d", "new"))
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all {
		got = append(got, r.Name+" "+string(r.Image))
	}
	want := []string{
		" " + string(record("", "old").Image), "a " + string(record("", "new").Image), "b " + string(record("", "new").Image),
		"c " + string(record("", "other").Image), "d " + string(record("", "new").Image),
	}
	if !slices.Equal(got, want) {
		t.Errorf("names\n%q, want\n%q", got, want)
	}
}

// TestMovesAreSeenWhole moves a record between two names while others look: it
// must be seen under one of them at every moment.
func TestMovesAreSeenWhole(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root)
	put(t, s, record("a", "x"))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		defer close(stop)
		from, to := record("a", "x"), record("b", "x")
		for range 30 {
			err := s.Update(t.Context(), func(c *Change) error { return errors.Join(c.Put(to), c.Delete(from)) })
			if err != nil {
				t.Error(err)
			}
			from, to = to, from
		}
	})
	for range 3 {
		looker := open(t, root)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if all, err := looker.All(t.Context()); err != nil || len(all) != 1 {
					t.Errorf("seen %d records, %v", len(all), err)
					return
				}
			}
		})
	}
	wg.Wait()
}
