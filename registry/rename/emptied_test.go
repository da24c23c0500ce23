package rename_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/history"
	"cove/registry/immutable"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/rename"
	"cove/registry/selector"
)

// TestOntoAnEmptiedName: a name whose repository holds nothing any more is free for another.
// What was deleted there can be had back by the name that is told, and only there.
func TestOntoAnEmptiedName(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s, ctx := newSite(t, open, "team", "other"), t.Context()
		gone := s.pushed("team/app", "v1", "old", "shared")
		fresh := s.pushed("other/next", "v1", "new", "shared")
		past := history.New(s.db, auth.Judge{}, &history.Bin{
			Registry: s.registry, DB: s.db, Bytes: s.bytes, Grace: func() time.Duration { return time.Hour },
		})
		n, err := past.DeleteRepository(ctx, operator, "team/app")
		if s.must(err); n != 1 {
			t.Errorf("%d artifacts were deleted", n)
		}
		done, err := s.Repository(ctx, operator, rename.Request{From: "other/next", To: "team/app", Keep: keep})
		s.must(err)
		if len(done.Notes) != 1 || !strings.Contains(done.Notes[0], "can be had back as team/app.emptied,") {
			t.Errorf("notes %q", done.Notes)
		}
		if m, err := s.registry.GetTag(ctx, "team/app", "v1"); err != nil || m.Descriptor.Digest != fresh {
			t.Errorf("team/app:v1 is %v %v", m.Descriptor.Digest, err)
		}
		s.recounted("the rename")
		s.recorded(open)
		if _, err := past.Restore(ctx, operator, history.Request{Repository: "team/app"}); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("what was deleted by this name before is another's: %v", err)
		}
		if _, err := past.Restore(ctx, operator, history.Request{Repository: "team/app.emptied"}); err != nil {
			t.Errorf("what was deleted does not come back: %v", err)
		}
		if m, err := s.registry.GetTag(ctx, "team/app.emptied", "v1"); err != nil || m.Descriptor.Digest != gone {
			t.Errorf("what came back is %v %v", m.Descriptor.Digest, err)
		}
		s.recounted("the way back")
		s.recorded(open)
		// It holds something again, and so does the other: neither name is free.
		for _, to := range []string{"team/app.emptied", "team/app"} {
			s.pushed("other/more", "v1", "more")
			if _, err := s.Repository(ctx, operator, rename.Request{From: "other/more", To: to}); !errors.Is(err, errdefs.ErrExists) {
				t.Errorf("onto %s: %v", to, err)
			}
		}
		// A second one makes way under a name of its own.
		_, err = past.DeleteRepository(ctx, operator, "team/app")
		s.must(err)
		done, err = s.Repository(ctx, operator, rename.Request{From: "other/more", To: "team/app"})
		if s.must(err); len(done.Notes) != 1 || !strings.Contains(done.Notes[0], "team/app.emptied-2,") {
			t.Errorf("notes %q", done.Notes)
		}
		if _, err := s.registry.GetTag(ctx, "team/app.emptied-2", "v1"); err == nil {
			t.Error("the second one has a tag that was deleted")
		}
		s.recounted("all of it")
		s.recorded(open)
	})
}

// TestAFailedRenameLeavesNoRecord: what was copied beside the bytes under an emptied name
// goes again when the rename is refused in the end.
func TestAFailedRenameLeavesNoRecord(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		s, ctx := newSite(t, open, "team", "other"), t.Context()
		s.pushed("other/app", "v1", "old")
		s.pushed("team/web", "v1", "kept")
		past := history.New(s.db, auth.Judge{}, &history.Bin{
			Registry: s.registry, DB: s.db, Bytes: s.bytes, Grace: func() time.Duration { return time.Hour },
		})
		_, err := past.DeleteRepository(ctx, operator, "other/app")
		s.must(err)
		_, err = immutable.New(s.db, auth.Judge{}).Add(ctx, operator, "team", selector.Selector{Repositories: "web", Tags: "v*"})
		s.must(err)
		_, err = s.Repository(ctx, operator, rename.Request{From: "team/web", To: "other/app"})
		if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "immutable") {
			t.Errorf("moved where no rule keeps its tag: %v", err)
		}
		if _, err := past.Restore(ctx, operator, history.Request{Repository: "other/app"}); err != nil {
			t.Errorf("the emptied repository has another name: %v", err)
		}
		_, err = past.DeleteRepository(ctx, operator, "other/app")
		s.must(err)
		s.recorded(open)
	})
}
