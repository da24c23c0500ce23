package distributiontest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/errdefs"
)

// testManifestPrecondition has many push to one tag at once, each on the condition
// that it is as all of them have seen it: one of them does, in every round.
func testManifestPrecondition(t *testing.T, s Subject) {
	const repo, pushers, rounds = "suite/precondition", 6, 4
	image := func(round, i int) Image { return NewImage(t, uint64(10_000+100*round+i), 100) }
	for round := range rounds { // what is pushed is there, so that only the tag is raced for
		for i := range pushers {
			pushImage(t, s, repo, image(round, i))
		}
	}
	seen := distribution.Precondition{Tag: "v1", NoneMatch: &distribution.EntityTags{Any: true}}
	for round := range rounds {
		var images []distribution.Manifest
		for i := range pushers {
			images = append(images, image(round, i).Manifest)
		}
		won := raceForTag(t, s, repo, seen, images)
		if len(won) != 1 {
			t.Fatalf("round %d: %d of %d pushes moved the tag, want 1", round, len(won), pushers)
		}
		at, err := s.Registry.StatTag(s.Context, repo, "v1")
		if err != nil || at.Digest != won[0] {
			t.Fatalf("round %d: the tag names %s, %s won (%v)", round, at.Digest, won[0], err)
		}
		seen = distribution.Precondition{Tag: "v1", Match: &distribution.EntityTags{Digests: won}}
	}
	none := distribution.Precondition{Tag: "v2", Match: &distribution.EntityTags{Any: true}}
	_, err := s.Registry.PutManifest(distribution.WithPrecondition(s.Context, none), repo, image(0, 0).Manifest, "v2")
	is(t, "PutManifest where nothing is", err, errdefs.ErrConflict)
	_, err = s.Registry.StatTag(s.Context, repo, "v2")
	is(t, "StatTag of what was refused", err, errdefs.ErrNotFound)
}

// raceForTag pushes manifests at once and returns those that moved the tag.
func raceForTag(
	t *testing.T, s Subject, repo string, p distribution.Precondition, all []distribution.Manifest,
) []digest.Digest {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(all))
	for i, m := range all {
		wg.Go(func() {
			_, errs[i] = s.Registry.PutManifest(distribution.WithPrecondition(s.Context, p), repo, m, p.Tag)
		})
	}
	wg.Wait()
	var won []digest.Digest
	for i, err := range errs {
		switch {
		case err == nil:
			won = append(won, all[i].Descriptor.Digest)
		case !errors.Is(err, distribution.ErrPrecondition) || !errors.Is(err, errdefs.ErrConflict):
			t.Error(fmt.Errorf("push %d: %w", i, err))
		}
	}
	return won
}
