package gc

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/layers/snapshot/native"
)

func roots(refs ...string) Roots {
	return func(context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for _, ref := range refs {
				if !yield(ref, nil) {
					return
				}
			}
		}
	}
}

func blob(t *testing.T, s content.Store, body string) string {
	t.Helper()
	desc, err := content.WriteBytes(t.Context(), s, ocispec.Descriptor{}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return desc.Digest.String()
}

func left(t *testing.T, c Collector) []string {
	t.Helper()
	var refs []string
	for info, err := range c.Content.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, info.Digest.String())
	}
	if c.Snapshots != nil {
		for info, err := range c.Snapshots.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			refs = append(refs, SnapshotPrefix+info.Key)
		}
	}
	slices.Sort(refs)
	return refs
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestCollectBlobs(t *testing.T) {
	t.Parallel()
	s := memstore.New(nil)
	named, used, leased, dead := blob(t, s, "named"), blob(t, s, "used"), blob(t, s, "leased"), blob(t, s, "dead")
	lease, err := s.Lease(t.Context(), leased)
	if err != nil {
		t.Fatal(err)
	}
	c := Collector{Content: s, Roots: []Roots{roots(used), roots(named)}}
	// Of candidates only those go that are dead, and nothing else goes.
	done, err := c.Collect(t.Context(), map[string]bool{named: true, leased: true, digest.FromString("never here").String(): true})
	if err != nil || len(done.Refs) != 0 {
		t.Errorf("of live candidates: %+v, %v", done, err)
	}
	done, err = c.Collect(t.Context(), nil)
	if err != nil || !slices.Equal(done.Refs, []string{dead}) || done.Bytes != 4 {
		t.Errorf("of everything: %+v, %v", done, err)
	}
	same(t, "left", left(t, c), named, used, leased)
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Collect(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	same(t, "left after the release", left(t, c), named, used)
}

// TestCollectSnapshots has a stack of three, with a container on the second: it
// keeps its parents, which no root names.
func TestCollectSnapshots(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: snapshots keep owners")
	}
	snaps, err := native.New(filepath.Join(t.TempDir(), "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	parent := ""
	for _, name := range []string{"one", "two", "three"} {
		if _, err := snaps.Prepare(t.Context(), "tmp", parent); err != nil {
			t.Fatal(err)
		}
		if err := snaps.Commit(t.Context(), name, "tmp"); err != nil {
			t.Fatal(err)
		}
		parent = name
	}
	for _, key := range []string{"one", "two", "three", "packed", "gone"} {
		if err := snaps.SetSize(t.Context(), key, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := snaps.Prepare(t.Context(), "container/db", "two"); err != nil {
		t.Fatal(err)
	}
	c := Collector{Content: memstore.New(nil), Snapshots: snaps, Roots: []Roots{roots("snapshot/container/db", "snapshot/packed")}}
	done, err := c.Collect(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var sized []string
	for key, err := range snaps.Sizes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		sized = append(sized, key)
	}
	slices.Sort(sized)
	same(t, "sizes", sized, "one", "packed", "two")
	same(t, "deleted", done.Refs, "snapshot/three")
	same(t, "left", left(t, c), "snapshot/one", "snapshot/two", "snapshot/container/db")
	c.Roots = nil
	if done, err = c.Collect(t.Context(), nil); err != nil || len(done.Refs) != 3 {
		t.Errorf("deleted %+v, %v; want the rest", done, err)
	}
	same(t, "left", left(t, c))
}

// TestFailedMarkDeletesNothing: a root that cannot be read could have named
// anything.
func TestFailedMarkDeletesNothing(t *testing.T) {
	t.Parallel()
	s := memstore.New(nil)
	dead := blob(t, s, "dead")
	broken := errors.New("disk error")
	c := Collector{Content: s, Roots: []Roots{func(context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) { yield("", broken) }
	}}}
	if _, err := c.Collect(t.Context(), nil); !errors.Is(err, broken) {
		t.Errorf("Collect: %v", err)
	}
	same(t, "left", left(t, c), dead)
	if _, err := s.Lease(t.Context(), "x"); err != nil {
		t.Errorf("still frozen: %v", err)
	}
}
