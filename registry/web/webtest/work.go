package webtest

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"

	"cove/registry/jobs"
	"cove/registry/metadata"
)

// Change changes the database of a site that has its own, as a command on its
// machine does.
func (s *Site) Change(t testing.TB, do func(ctx context.Context, tx *metadata.Tx) error) {
	t.Helper()
	db, err := metadata.Open(context.Background(), metadata.Config{DSN: filepath.Join(s.Root, "registry.db")})
	if err == nil {
		err = db.Update(context.Background(), do)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Job asks for a job and returns the path of its page.
func (s *Site) Job(t testing.TB) (path string) {
	t.Helper()
	s.Change(t, func(ctx context.Context, tx *metadata.Tx) error {
		id, _, err := jobs.Add(ctx, tx, jobs.New{
			Kind: "audit-retention", Project: "payments", By: "ada.lovelace", Args: map[string]string{"why": "for a look"},
		})
		path = fmt.Sprint("/jobs/", id)
		return err
	})
	return path
}

// Policies gives a project some of every policy and returns the path of their page.
func (s *Site) Policies(t testing.TB, project string) (path string) {
	t.Helper()
	admin := s.As(t, "admin")
	path = "/projects/" + project + "/policies"
	for _, form := range []struct {
		to     string
		fields url.Values
	}{
		{"/projects/" + project + "/immutable", url.Values{"tags": {"v*"}, "repositories": {"checkout/**"}}},
		{"/projects/" + project + "/immutable", url.Values{"tags": {"{nightly,build}-*"}, "except_tags": {"1"}}},
	} {
		admin.Get(path, 200)
		admin.Post(form.to, form.fields, 303)
	}
	return path
}
