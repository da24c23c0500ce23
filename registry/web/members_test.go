package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestManyMembers looks at a project with 10,000 members by page, both APIs and a pull.
func TestManyMembers(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { manyMembers(t, webtest.Start(t, config.Config{})) })
	t.Run("postgres", func(t *testing.T) {
		manyMembers(t, webtest.Start(t, config.Config{Database: metadatatest.Postgres(t).New(t)}))
	})
}

func manyMembers(t *testing.T, s *webtest.Site) {
	const many = 10_000
	s.Users(t, "ada", "mia")
	s.Project(t, "team", false, map[string]string{"ada": "project-admin"})
	s.Push(t, "team/app", "v1", webtest.Image{})
	s.Change(t, func(ctx context.Context, tx *metadata.Tx) error {
		project, err := tx.Project(ctx, "team")
		for i := range many {
			name := fmt.Sprintf("person-%05d", i)
			if err == nil {
				err = tx.AddUser(ctx, name, "", false)
			}
			if err != nil {
				return err
			}
			u, err := tx.UserForUpdate(ctx, name)
			if err == nil {
				err = tx.SetRole(ctx, project.ID, u.ID, rights.Guest)
			}
			if err != nil {
				return err
			}
		}
		u, err := tx.UserForUpdate(ctx, "mia")
		if err == nil {
			err = tx.SetRole(ctx, project.ID, u.ID, rights.Developer)
		}
		return err
	})

	ada := s.As(t, "ada")
	page := ada.Get("/projects/team/members", 200)
	if len(page) > 100_000 || !strings.Contains(page, ">ada") || !strings.Contains(page, "person-00000") {
		t.Errorf("the first page has %d bytes", len(page))
	}
	page = ada.Get("/projects/team/members?match=person-0777", 200)
	if !strings.Contains(page, "person-07770") || strings.Contains(page, "person-07769") {
		t.Errorf("from a name on:\n%s", page)
	}
	if page = ada.Get("/projects/team/members?match=zoe", 200); !strings.Contains(page, "or one after it") {
		t.Errorf("from a name after all:\n%s", page)
	}
	// A change of one of them can be taken back, wherever in the list he is.
	ada.Get("/projects/team/members?match=person-09999", 200)
	ada.Post("/projects/team/members", url.Values{"user": {"person-09999"}, "role": {"none"}, "repositories": {"*"}}, 303)
	if page = ada.Follow(200); !strings.Contains(page, `name="role" value="guest"`) {
		t.Errorf("it cannot be taken back:\n%s", page)
	}

	seen, next := map[string]bool{}, "/projects/team/members?limit=100"
	for next != "" {
		var got struct {
			Items []struct{ Name string }
		}
		if err := json.Unmarshal(s.API(t, "GET", next, "", 200), &got); err != nil || len(got.Items) > 100 {
			t.Fatalf("%d members of %s: %v", len(got.Items), next, err)
		}
		for _, m := range got.Items {
			seen[m.Name] = true
		}
		if next = ""; len(got.Items) == 100 {
			last := got.Items[99].Name
			next = "/projects/team/members?limit=100&after=" + url.QueryEscape(last+" *")
		}
	}
	if len(seen) != many+1 { // ada and mia, without the one who left
		t.Errorf("the API has %d members", len(seen))
	}
	if got := s.Status(t, "mia", webtest.Password, "GET", "/v2/team/app/manifests/v1"); got != 200 {
		t.Errorf("a member of many pulls: %d", got)
	}
}
