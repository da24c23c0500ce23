package removed_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/metadata/removed"
	"cove/registry/metadata/usage"
)

// site is a database with a project "team", in which some things are and were.
type site struct {
	t     *testing.T
	db    *metadata.DB
	clock time.Time
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) update(do func(ctx context.Context, tx *metadata.Tx) error) error {
	return s.db.Update(s.t.Context(), do)
}

// push adds an artifact of one layer.
func (s *site) push(repo, tag string) digest.Digest {
	s.t.Helper()
	var m metadata.Manifest
	layer := digest.FromString(repo + tag + " layer")
	m.Descriptor.Digest, m.Descriptor.Size = digest.FromString(repo+tag), 7
	m.Blobs = []ocispec.Descriptor{{Digest: layer, Size: 100}}
	s.must(s.update(func(ctx context.Context, tx *metadata.Tx) error {
		id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
		if err != nil {
			return err
		}
		for _, step := range []func() error{
			func() error { return tx.AddBytes(ctx, layer, 100) },
			func() error { return tx.AddBlob(ctx, id, layer, s.clock) },
			func() error { return tx.AddBytes(ctx, m.Descriptor.Digest, 7) },
			func() error { _, err := tx.Pin(ctx, id, m.Needs()); return err },
			func() error { return tx.AddManifest(ctx, id, m, "") },
			func() error { return tx.SetTag(ctx, id, tag, m.Descriptor.Digest, "") },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}))
	return m.Descriptor.Digest
}

func (s *site) drop(repo string, dgst digest.Digest) {
	s.t.Helper()
	s.must(s.update(func(ctx context.Context, tx *metadata.Tx) error {
		id, err := tx.Repository(ctx, repo)
		if err != nil {
			return err
		}
		return tx.RemoveManifest(ctx, id, dgst, "ann", time.Hour)
	}))
}

func (s *site) remove(project string) error {
	return s.update(func(ctx context.Context, tx *metadata.Tx) error { return tx.RemoveProject(ctx, project, "ann") })
}

func (s *site) restore(project string) (repositories int, err error) {
	err = s.update(func(ctx context.Context, tx *metadata.Tx) (err error) {
		_, repositories, err = tx.RestoreProject(ctx, project, "bob", func(by string) error {
			if by != "ann" {
				s.t.Errorf("removed by %q", by)
			}
			return nil
		})
		return err
	})
	return repositories, err
}

// names are those of all projects, also of those that nobody sees.
func (s *site) names() []string {
	s.t.Helper()
	all, err := db.All(s.t.Context(), s.db.Querier(), db.ScanString, "SELECT name FROM projects ORDER BY name")
	s.must(err)
	return all
}

// exact checks that the sums of every project are what a recount finds.
func (s *site) exact(after string) {
	s.t.Helper()
	ids, err := db.All(s.t.Context(), s.db.Querier(), func(row db.Scanner) (id int64, err error) { return id, row.Scan(&id) },
		"SELECT id FROM projects")
	s.must(err)
	for _, id := range ids {
		r, err := usage.Recount(s.t.Context(), s.db.Querier(), id)
		if s.must(err); !r.Equal() {
			s.t.Errorf("after %s: %+v", after, r)
		}
	}
}

// collect has the collector take what nobody needs.
func (s *site) collect() {
	s.t.Helper()
	s.must(s.update(func(ctx context.Context, tx *metadata.Tx) error {
		due, err := tx.DueReviews(ctx, s.clock, 100)
		if err != nil {
			return err
		}
		_, err = tx.ReviewMemberships(ctx, slices.DeleteFunc(due, metadata.Due.Bytes))
		return err
	}))
	s.must(s.db.DropRemoved(s.t.Context()))
}

func TestRemovedProjects(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s := &site{t: t, clock: time.Now()}
		s.db = open(t, func() time.Time { return s.clock })
		app, web := s.push("team/app", "v1"), s.push("team/deep/web", "v1")
		s.push("teams/app", "v1")
		for _, dgst := range []digest.Digest{app, web} {
			if err := s.remove("team"); !errors.Is(err, errdefs.ErrConflict) {
				t.Errorf("with images: %v", err)
			}
			s.drop(map[digest.Digest]string{app: "team/app", web: "team/deep/web"}[dgst], dgst)
		}
		if _, err := s.restore("team"); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("what is there is restored: %v", err)
		}
		s.must(s.remove("team"))
		s.exact("the removal")
		if got := s.names(); len(got) != 2 || got[0] != "teams" || got[1] <= "~team~" {
			t.Errorf("projects %q", got)
		}
		seen, err := s.db.Projects(t.Context(), "", 10)
		if s.must(err); len(seen) != 1 {
			t.Errorf("seen %+v", seen)
		}
		if _, err := s.restore("tea"); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("one with a shorter name: %v", err)
		}
		s.must(s.db.DropRemoved(t.Context())) // too soon
		n, err := s.restore("team")
		if s.must(err); n != 2 {
			t.Errorf("%d repositories came back", n)
		}
		s.exact("the way back")
		if got := s.names(); !slices.Equal(got, []string{"team", "teams"}) {
			t.Errorf("projects %q", got)
		}
		for repo, dgst := range map[string]digest.Digest{"team/app": app, "team/deep/web": web} {
			found, err := db.All(t.Context(), s.db.Querier(), db.ScanString, `SELECT d.tags FROM deleted_manifests d
				JOIN repositories r ON r.id = d.repository_id WHERE r.name = $1 AND d.digest = $2`, repo, dgst.String())
			if s.must(err); !slices.Equal(found, []string{"v1"}) {
				t.Errorf("of %s can be had back: %q", repo, found)
			}
		}
		again := s.push("team/app", "v2")
		s.drop("team/app", again)
		s.must(s.remove("team"))
		s.push("team/app", "v3")
		if _, err := s.restore("team"); !errors.Is(err, errdefs.ErrExists) {
			t.Errorf("over one that was made since: %v", err)
		}
		s.clock = s.clock.Add(2 * time.Hour)
		s.collect()
		if got := s.names(); !slices.Equal(got, []string{"team", "teams"}) {
			t.Errorf("after the collector projects %q", got)
		}
		if _, err := removed.Find(t.Context(), s.db.Querier(), "team"); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("found after the collector: %v", err)
		}
		s.exact("the collector")
	})
}
