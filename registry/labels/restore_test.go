package labels_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/labels"
	"cove/registry/metadata"
)

// TestRestore removes labels of a project and of all, and has them back on what had them,
// as long as a week has not passed and nobody has taken the name.
func TestRestore(t *testing.T) {
	each(t, func(s *site) {
		ctx, v1 := t.Context(), artifact("team/app", "v1")
		for _, of := range []string{"", "team"} {
			l := s.make(of, "stable")
			s.must(s.put(v1, "stable"))
			was := s.on(v1)
			s.must(s.Remove(ctx, operator, of, l.ID))
			if on := s.on(v1); on == was {
				t.Errorf("it is removed, and on the artifact: %q", on)
			}
			if _, err := s.Get(ctx, operator, of, l.ID); !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("it is removed, and there: %v", err)
			}
			if _, err := s.Where(ctx, l.ID); !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("it is removed, and somewhere: %v", err)
			}
			if err := s.Put(ctx, operator, v1, labels.Which{ID: l.ID}); !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("it is removed, and put on: %v", err)
			}
			if _, err := s.Restore(ctx, auth.Caller{UserID: 9, Name: "stranger"}, of, "stable"); !errors.Is(err, errdefs.ErrDenied) {
				t.Errorf("a stranger has it back: %v", err)
			}
			other := s.make(of, "stable")
			if _, err := s.Restore(ctx, operator, of, "stable"); !errors.Is(err, errdefs.ErrExists) {
				t.Errorf("another has its name: %v", err)
			}
			s.must(s.Remove(ctx, operator, of, other.ID))
			back, err := s.Restore(ctx, operator, of, "stable")
			if s.must(err); back.ID != other.ID {
				t.Errorf("label %d is back, and %d was removed last", back.ID, other.ID)
			}
			s.must(s.Remove(ctx, operator, of, other.ID))
			s.must(s.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
				_, err := tx.Querier().Exec(ctx, "UPDATE labels SET removed_at = removed_at - $2 WHERE id = $1", other.ID, (8 * 24 * time.Hour).Microseconds())
				return err
			}))
			back, err = s.Restore(ctx, operator, of, "stable")
			if s.must(err); back.ID != l.ID || s.on(v1) != was {
				t.Errorf("%+v is back, on the artifact are %q, want %q", back, s.on(v1), was)
			}
			if _, err := s.Restore(ctx, operator, of, "stable"); !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("what was removed more than a week ago is back: %v", err)
			}
			s.must(s.Take(ctx, operator, v1, labels.Which{ID: l.ID}))
			s.must(s.Remove(ctx, operator, of, l.ID)) // and forgets the one of last week
			var left int
			s.must(s.db.Querier().Row(ctx, "SELECT COUNT(*) FROM labels WHERE id = $1", other.ID).Scan(&left))
			if left != 0 {
				t.Error("what was removed more than a week ago is kept for ever")
			}
		}
	}, "team")
}
