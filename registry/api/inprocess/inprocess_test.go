package inprocess_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/api"
	door "cove/registry/api/client"
	"cove/registry/api/inprocess"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/passhash"
	"cove/registry/metadata/metadatatest"
	"cove/registry/projects"
)

// TestHere asks the API in this process: what an operation refuses comes as the error that
// it was, with what would help, and who asks is who it was made for.
func TestHere(t *testing.T) {
	t.Parallel()
	db := metadatatest.OpenSQLite(t, time.Now)
	judge := auth.Judge{}
	cfg := api.Config{
		DB: db, Judge: judge, Accounts: accounts.New(nil, db, passhash.NewHasher(1), judge),
		Projects: projects.New(db, judge), Audit: audit.New(db, judge),
	}
	operator, stranger := inprocess.As(auth.Operator(), cfg), inprocess.As(auth.Caller{}, cfg)
	made := api.NewProject{Name: "team", Public: true}
	post := door.Call{Method: http.MethodPost, Path: "/projects", Body: made, Into: &api.Project{}}
	if err := stranger.Do(t.Context(), post); !errors.Is(err, errdefs.ErrUnauthenticated) {
		t.Errorf("nobody makes a project: %v", err)
	}
	if err := operator.Do(t.Context(), post); err != nil {
		t.Fatal(err)
	}
	if err := operator.Do(t.Context(), post); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("the kind is not what it was: %v", err)
	}
	if got, err := door.Get[api.Project](t.Context(), stranger, "/projects/team"); err != nil || !got.Public {
		t.Errorf("%+v %v", got, err)
	}
	public := true
	err := operator.Do(t.Context(), door.Call{Method: http.MethodPatch, Path: "/projects/absent", Body: api.ProjectChange{Public: &public}})
	if !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("%v", err)
	}
	for _, path := range []string{"/nothing", "/projects/team/nothing", "/projects//members", "/projects/.."} {
		if _, err := door.Get[api.Project](t.Context(), operator, path); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
	events, err := door.List[api.Event](t.Context(), operator, "/audit", nil, 10)
	if err != nil || len(events) != 1 || events[0].Actor != auth.Operator().Name {
		t.Errorf("%+v %v", events, err)
	}
}
