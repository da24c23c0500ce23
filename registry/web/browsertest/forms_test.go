package browsertest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	formOf   = regexp.MustCompile(`(?s)<form\b([^>]*(?:{{[^}]*}}[^>]*)*)>`)
	actionOf = regexp.MustCompile(`action="([^"]*(?:{{[^}]*}}[^"]*)*)"`)
	confirms = regexp.MustCompile(`"Action" (?:"([^"]+)"|\(print ([^()]*)\))`)
	inserted = regexp.MustCompile(`{{[^}]*}}`)
	quoted   = regexp.MustCompile(`"[^"]*"|\S+`)
)

// actions are where the forms of the templates lead, as patterns.
func actions(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
	files, err := filepath.Glob("../view/templates/*.html")
	if err != nil || len(files) < 30 {
		t.Fatal(files, err)
	}
	all := map[string]*regexp.Regexp{}
	add := func(file, action string) {
		if action != "" && !strings.HasPrefix(action, "{{") {
			parts := inserted.Split(action, -1)
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			all[filepath.Base(file)+" "+action] = regexp.MustCompile("^" + strings.Join(parts, ".+") + "$")
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range formOf.FindAllStringSubmatch(string(text), -1) {
			if m := actionOf.FindStringSubmatch(form[1]); m != nil && strings.Contains(form[1], `method="post"`) {
				add(file, m[1])
			}
		}
		for _, m := range confirms.FindAllStringSubmatch(string(text), -1) {
			action := m[1]
			for _, word := range quoted.FindAllString(m[2], -1) {
				if word = strings.Trim(word, `"`); strings.HasPrefix(word, "/") {
					action += word
				} else {
					action += "{{" + word + "}}"
				}
			}
			add(file, action)
		}
	}
	if len(all) < 60 {
		t.Fatalf("only %d forms were found", len(all))
	}
	return all
}

// unseen are forms that are there for a moment, or for others than administrators, and which
// tests of their own look at.
var unseen = map[string]string{
	"users.html /users/{{.Name}}/unlink":                        "TestPasswordLinkPages",
	"replication-run.html /replication/runs/{{.Data.ID}}/stop":  "TestReplicationByPages",
	"replication-run.html /replication/runs/{{.Data.ID}}/retry": "TestReplicationByPages",
	"repository.html /tags/restore/{{$.Data.Repository}}":       "TestTagsInABrowser",
}

// TestEveryFormIsLookedAt: each form of the templates is on a page of those that are looked at
// in every width and colour.
func TestEveryFormIsLookedAt(t *testing.T) {
	s, pages := filled(t)
	admin, nobody := s.As(t, "admin"), s.Visitor(t)
	bodies := []string{nobody.Get("/sign-in", 200), nobody.Get("/register", 200), nobody.Get(s.PasswordLink(t, "katherine"), 200)}
	for name, path := range pages {
		want := 200
		if name == "error" {
			want = 404
		}
		bodies = append(bodies, admin.Get(path, want))
	}
	var seen []string
	for _, body := range bodies {
		for _, form := range formOf.FindAllStringSubmatch(body, -1) {
			if m := actionOf.FindStringSubmatch(form[1]); m != nil {
				seen = append(seen, m[1])
			}
		}
	}
	for form, action := range actions(t) {
		found := false
		for _, at := range seen {
			found = found || action.MatchString(at)
		}
		_, excused := unseen[form]
		if found == excused {
			t.Errorf("%s: seen %t, excused %t", form, found, excused)
		}
	}
}
