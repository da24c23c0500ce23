package history_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/history"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// TestBesideAServerNothingIsBroughtBack: without the bytes only a job can be asked
// for, by who may, of a repository that there is.
func TestBesideAServerNothingIsBroughtBack(t *testing.T) {
	t.Parallel()
	db := metadatatest.OpenSQLite(t, time.Now)
	h := history.New(db, auth.Judge{}, nil)
	err := db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.EnsureRepository(ctx, "team/app", metadata.Creator{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	operator, stranger := auth.Operator(), auth.Caller{UserID: 7, Name: "ada"}
	app, absent := history.Request{Repository: "team/app"}, history.Request{Repository: "team/absent"}
	ask := func(by auth.Caller, r history.Request) error {
		_, err := h.Ask(t.Context(), by, r)
		return err
	}
	impatient, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, here := h.Restore(impatient, operator, app)
	_, denied := h.Restore(t.Context(), stranger, app)
	_, removed := h.DeleteRepository(impatient, operator, "team/app")
	_, refused := h.Delete(t.Context(), stranger, history.Request{Repository: "team/app", Tag: "v1"})
	_, nothing := h.Delete(t.Context(), operator, absent)
	_, _, looked := h.Page(t.Context(), stranger, history.Query{Repository: "team/app", N: 1})
	for _, tc := range []struct {
		what string
		err  error
		want error
	}{
		{"restore beside a server", here, context.DeadlineExceeded},
		{"restore by a stranger", denied, errdefs.ErrDenied},
		{"delete beside a server", removed, context.DeadlineExceeded},
		{"delete by a stranger", refused, errdefs.ErrDenied},
		{"delete nothing", nothing, errdefs.ErrNotFound},
		{"a look by a stranger", looked, errdefs.ErrDenied},
		{"a job of a stranger", ask(stranger, app), errdefs.ErrDenied},
		{"a job for nothing", ask(operator, absent), errdefs.ErrNotFound},
		{"a job", ask(operator, app), nil},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.what, tc.err, tc.want)
		}
	}
}
