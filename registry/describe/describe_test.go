package describe_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/describe"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// TestDescriptions are kept as they are shown, each of its repository, and changed by who saw
// the last one.
func TestDescriptions(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		m := open(t, time.Now)
		err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			for _, repo := range []string{"team/app", "team/other"} {
				if _, err := tx.EnsureRepository(ctx, repo, metadata.Creator{}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s, by := describe.New(m, auth.Judge{}), auth.Operator()
		text := func(repo string) string {
			d, err := describe.Of(t.Context(), m.Querier(), repo)
			if err != nil || (d.Text == "") != (d.By == "") {
				t.Fatalf("%+v %v", d, err)
			}
			return d.Text
		}
		for given, kept := range map[string]string{
			"a\r\nb\rc": "a\nb\nc", " \n x\ty \n": "x\ty", "": "", "\u00e4\U0001f600": "\u00e4\U0001f600",
			strings.Repeat("\u00e4", describe.Longest): strings.Repeat("\u00e4", describe.Longest),
		} {
			if err := s.Set(t.Context(), by, "team/app", given); err != nil || text("team/app") != kept {
				t.Errorf("%.20q: %v, %.20q", given, err, text("team/app"))
			}
		}
		if err := s.Set(t.Context(), by, "team/app", "kept"); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range []string{"a\x00", "\xff", "a\x1b[31m", strings.Repeat("x", describe.Longest+1)} {
			if err := s.Set(t.Context(), by, "team/app", wrong); !errors.Is(err, errdefs.ErrInvalid) {
				t.Errorf("%.20q: %v", wrong, err)
			}
		}
		stale := func(now describe.Description) error {
			return errdefs.Errorf(errdefs.ErrConflict, "it is %q", now.Text)
		}
		if err := s.Set(t.Context(), by, "team/app", "late", stale); !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "kept") {
			t.Errorf("%v", err)
		}
		if err := s.Set(t.Context(), by, "team/absent", "x"); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("of no repository: %v", err)
		}
		if err := s.Set(t.Context(), auth.Caller{}, "team/app", "x"); err == nil {
			t.Error("nobody in particular describes it")
		}
		if text("team/app") != "kept" || text("team/other") != "" || text("team/absent") != "" {
			t.Errorf("%q %q", text("team/app"), text("team/other"))
		}
	})
}
