package contenttest

import (
	"context"
	"slices"
	"testing"
	"time"

	"cove/content"
	"cove/errdefs"
)

func leased(t *testing.T, s content.Store) []string {
	t.Helper()
	var refs []string
	for ref, err := range s.Leased(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	slices.Sort(refs)
	return refs
}

func mustLease(t *testing.T, s content.Store, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := leased(t, s); !slices.Equal(got, want) {
		t.Fatalf("leased %q, want %q", got, want)
	}
}

func testLease(t *testing.T, s content.Store) {
	ctx := t.Context()
	mustLease(t, s)
	a, err := s.Lease(ctx, "sha256:aa", "snapshot/build/1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Lease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add(ctx, "sha256:bb"); err != nil {
		t.Fatal(err)
	}
	mustLease(t, s, "sha256:aa", "sha256:bb", "snapshot/build/1")
	if err := a.Release(); err != nil {
		t.Fatal(err)
	}
	mustLease(t, s, "sha256:bb")
	mustBe(t, a.Add(ctx, "sha256:cc"), errdefs.ErrConflict)
	mustBe(t, b.Add(ctx, "two\nlines"), errdefs.ErrInvalid)
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	if err := b.Release(); err != nil {
		t.Errorf("releasing twice: %v", err)
	}
	mustLease(t, s)
}

func testFreeze(t *testing.T, s content.Store) {
	ctx := t.Context()
	l, err := s.Lease(ctx, "before")
	if err != nil {
		t.Fatal(err)
	}
	thaw, err := s.Freeze(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mustLease(t, s, "before")
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	if _, err := s.Lease(short, "during"); err == nil {
		t.Error("a lease began while frozen")
	}
	if err := l.Add(short, "during"); err == nil {
		t.Error("a lease grew while frozen")
	}
	if _, err := s.Freeze(short); err == nil {
		t.Error("two froze at once")
	}
	mustLease(t, s, "before")
	added := make(chan error, 1)
	go func() { added <- l.Add(ctx, "after") }()
	thaw()
	thaw()
	if err := <-added; err != nil {
		t.Errorf("adding after the thaw: %v", err)
	}
	mustLease(t, s, "after", "before")
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}
