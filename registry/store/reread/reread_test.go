package reread

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/errdefs"
)

func TestRight(t *testing.T) {
	t.Parallel()
	var r Right
	store, ctx, at := memstore.New(time.Now), t.Context(), time.Now()
	good := ocispec.Descriptor{Digest: digest.FromString("good"), Size: 4}
	if _, err := content.WriteBytes(ctx, store, good, []byte("good")); err != nil {
		t.Fatal(err)
	}
	if r.Knows(good.Digest, at) {
		t.Error("nothing was read")
	}
	if err := r.Compare(ctx, store, good, at); err != nil || !r.Knows(good.Digest, at) || r.Knows(good.Digest, at.Add(1)) {
		t.Errorf("what is right: %v", err)
	}
	short := ocispec.Descriptor{Digest: good.Digest, Size: 3}
	if err := r.Compare(ctx, store, short, at.Add(1)); !errors.Is(err, errdefs.ErrCorrupt) || r.Knows(good.Digest, at.Add(1)) {
		t.Errorf("what is not as it should be: %v", err)
	}
	absent := ocispec.Descriptor{Digest: digest.FromString("absent"), Size: 6}
	if err := r.Compare(ctx, store, absent, at); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := r.Compare(gone, store, good, at.Add(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("for who has gone: %v", err)
	}
}

func TestRightIsBounded(t *testing.T) {
	t.Parallel()
	var r Right
	dgst, at := digest.FromString("x"), time.Now()
	r.learn(dgst, at)
	for i := range most {
		r.learn(digest.FromString(fmt.Sprint(i)), at)
	}
	if r.Knows(dgst, at) || len(r.was) > most {
		t.Errorf("it remembers %d", len(r.was))
	}
}
