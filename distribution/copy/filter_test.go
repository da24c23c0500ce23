package copy_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/copy"
	"cove/distribution/filter"
	"cove/errdefs"
)

// counter is a filter.Meter.
type counter struct{ stored, served atomic.Int64 }

func (c *counter) Stored(context.Context, string, ocispec.Descriptor)     { c.stored.Add(1) }
func (c *counter) Served(context.Context, string, ocispec.Descriptor)     { c.served.Add(1) }
func (c *counter) Deleted(context.Context, string, digest.Digest, string) {}

// TestFilters puts what wraps a registry around both ends: it holds for copies.
func TestFilters(t *testing.T) {
	t.Parallel()
	s := stock(t, 10)
	fixed := func(_, tag string) bool { return tag == "fixed" }
	into := func(r distribution.Registry, ref, tag string) error {
		_, err := copy.Copy(t.Context(), &copy.Local{Registry: r, Repo: "to"}, s, ref, copy.Options{Tag: tag})
		return err
	}
	reg := memory()
	if err := into(filter.ReadOnly(reg, "moving house"), tag, tag); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("read-only: %v", err)
	}
	var m counter
	whole := filter.Immutable(filter.Metered(reg, &m), fixed)
	image := s.images[0].Manifest.Descriptor.Digest.String()
	for _, step := range []struct {
		ref  string
		want error
	}{{tag, nil}, {tag, nil}, {image, errdefs.ErrConflict}} {
		if err := into(whole, step.ref, "fixed"); !errors.Is(err, step.want) {
			t.Errorf("to an immutable tag: %v, want %v", err, step.want)
		}
	}
	// Six blobs once; four manifests twice; what the third copy brought was there.
	if n := m.stored.Load(); n != 6+4+4 {
		t.Errorf("%d were stored", n)
	}
	src := &copy.Local{Registry: filter.Metered(s.Registry, &m), Repo: s.Repo}
	if _, err := copy.Copy(t.Context(), &copy.Local{Registry: memory(), Repo: "to"}, src, tag, copy.Options{}); err != nil {
		t.Error(err)
	}
	if n := m.served.Load(); n != 4+6 {
		t.Errorf("%d were served", n)
	}
	hidden := filter.Select(s.Registry, func(repo string) bool { return repo != s.Repo })
	if _, err := copy.Copy(t.Context(), s, &copy.Local{Registry: hidden, Repo: s.Repo}, tag, copy.Options{}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("from a repository that is not shown: %v", err)
	}
}
