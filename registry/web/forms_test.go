package web_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"cove/registry/metadata"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// formIn is what the browser would send of the form of a page that leads to an action, if
// nothing were changed in it. It is the last one of that action.
func formIn(t *testing.T, page, action string) url.Values {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var fields url.Values
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "form" && attr(n, "action") == action {
			fields = url.Values{}
			for field := range n.Descendants() {
				fill(fields, field)
			}
		}
	}
	if fields == nil {
		t.Fatalf("the page has no form for %s", action)
	}
	return fields
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// fill adds what a field of a form sends.
func fill(fields url.Values, n *html.Node) {
	name := attr(n, "name")
	switch {
	case n.Type != html.ElementNode || name == "" || name == "form_token":
	case n.Data == "input" && attr(n, "type") == "checkbox":
		if has(n, "checked") {
			fields.Add(name, attr(n, "value"))
		}
	case n.Data == "input":
		fields.Add(name, attr(n, "value"))
	case n.Data == "textarea":
		text := ""
		if n.FirstChild != nil {
			text = n.FirstChild.Data
		}
		fields.Add(name, strings.ReplaceAll(text, "\n", "\r\n")) // as browsers do
	case n.Data == "select":
		chosen, first := "", true
		for option := range n.Descendants() {
			if option.Data == "option" && (first || has(option, "selected")) {
				chosen, first = attr(option, "value"), false
			}
		}
		fields.Add(name, chosen)
	}
}

// changing are where the forms lead that change what is there, as patterns: they carry the
// version of it that was opened.
func changing(t *testing.T) (actions []*regexp.Regexp) {
	t.Helper()
	files, err := filepath.Glob("view/templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	action, inserted := regexp.MustCompile(`action="([^"]*)"`), regexp.MustCompile(`{{[^}]*}}`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before, found := "", false
		for part := range strings.SplitSeq(string(text), `name="version"`) {
			if found {
				at := strings.LastIndex(before, "<form ")
				m := action.FindStringSubmatch(before[max(at, 0):])
				if at < 0 || m == nil {
					t.Fatalf("%s: a version is in no form", file)
				}
				literal := inserted.Split(m[1], -1)
				for i := range literal {
					literal[i] = regexp.QuoteMeta(literal[i])
				}
				actions = append(actions, regexp.MustCompile("^"+strings.Join(literal, ".*")+"$"))
			}
			before, found = part, true
		}
	}
	if len(actions) < 10 {
		t.Fatalf("only %d forms were found", len(actions))
	}
	return actions
}

// TestFormsRoundTrip: a form that is opened and saved changes nothing, and one that was
// opened before somebody else saved his is refused, and what he saved stays.
func TestFormsRoundTrip(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	s.Project(t, "payments", false, map[string]string{"ada": "developer"})
	s.API(t, "POST", "/projects/payments/trust", `{"name":"ci","issuer":"https://ci.example.com","audience":"registry",
		"claims":{"repository":["octo/a","octo/b"]},"rights":["push","label:list"],"repositories":["web/*"],
		"description":"jobs","expiresAt":"2036-05-04T12:30:00Z"}`, 201)
	s.API(t, "POST", "/trust", `{"name":"nodes","issuer":"https://kubernetes.example.com","audience":"registry",
		"claims":{"sub":["system:**"]},"rights":["pull"]}`, 201)
	s.API(t, "PUT", "/proxies/hub", `{"upstream":"docker.io/library","user":"reader","password":"secret"}`, 204)
	s.API(t, "PUT", "/proxies/always", `{"upstream":"quay.io","fresh":"0s","rate":12345678}`, 204)
	s.API(t, "POST", "/endpoints", `{"name":"far","address":"registry.absent.invalid:5000","user":"me","password":"secret"}`, 201)
	s.API(t, "POST", "/replication/rules", `{"name":"nightly","endpoint":"far","direction":"push","repositories":"payments/**",
		"exceptTags":true,"tags":"dev-*","labels":["stage=prod","team"],"mediaTypes":["application/vnd.oci.*"],"namespace":"copies",
		"flatten":-1,"override":false,"delete":true,"onEvent":true,"schedule":"0 3 * * *","zone":"Europe/Berlin","rate":10485760}`, 201)
	s.API(t, "POST", "/replication/rules", `{"name":"resting","endpoint":"far","direction":"pull","enabled":false}`, 201)
	label := func(path string) string {
		var l struct{ ID string }
		if err := json.Unmarshal(s.API(t, "POST", path, `{"name":"stable","color":"#1A7F37","description":"for all"}`, 201), &l); err != nil {
			t.Fatal(err)
		}
		return path + "/" + l.ID
	}
	s.API(t, "POST", "/security/scanners", `{"name":"another","url":"https://scanner.absent.invalid/","auth":"basic","credential":"me:secret"}`, 201)
	s.Push(t, "payments/app", "v1", webtest.Image{})
	s.API(t, "PUT", "/descriptions/payments/app", `{"text":"# App\n\nIt *works*.\n"}`, 200)
	hook := s.Webhook(t, "payments", "https://ci.absent.invalid/hook")
	s.Policies(t, "payments")
	one, other := s.As(t, "admin"), s.As(t, "admin")
	forms := []struct{ page, action, field, theirs, mine string }{
		{"/projects/payments/trust/ci", "/projects/payments/trust/ci/change", "claims", "repository=octo/c", "repository=octo/d"},
		{"/trust/nodes", "/trust/nodes/change", "description", "theirs", "mine"},
		{hook, hook, "url", "https://theirs.invalid/hook", "https://mine.invalid/hook"},
		{"/projects/payments/scanning", "/projects/payments/scanning", "sbom", "spdx", "cyclonedx"},
		{"/labels", label("/labels"), "color", "#cf222e", "#0969da"},
		{"/projects/payments/labels", label("/projects/payments/labels"), "description", "theirs", "mine"},
		{"/usage", "/quota", "limit", "20GiB", "10GiB"},
		{"/projects/payments/usage", "/projects/payments/quota", "limit", "4GiB", "5GiB"},
		{"/projects/payments/policies", "/projects/payments/retention/schedule", "cron", "15 4 * * *", "15 5 * * *"},
		{"/replication?proxy=hub", "/replication/proxies", "repositories", "theirs/**", "mine/**"},
		{"/replication?proxy=always", "/replication/proxies", "keep", "720h0m0s", "48h0m0s"},
		{"/replication?rule=nightly", "/replication/rules", "tags", "theirs-*", "mine-*"},
		{"/replication?rule=resting", "/replication/rules", "repositories", "theirs/**", "mine/**"},
		{"/replication?endpoint=far", "/replication/endpoints", "kind", "harbor", "oci"},
		{"/repositories/payments/app", "/repositories/describe/payments/app", "description", "theirs", "mine"},
		{"/security?scanner=another", "/security/scanners", "again", "7", "14"},
	}
	for _, action := range changing(t) {
		if !slices.ContainsFunc(forms, func(f struct{ page, action, field, theirs, mine string }) bool { return action.MatchString(f.action) }) {
			t.Errorf("a form that changes what is there, at %s, is not among those below", action)
		}
	}
	for _, f := range forms {
		t.Run(f.action, func(t *testing.T) {
			open := func(v *webtest.Visitor) url.Values { return formIn(t, v.Get(f.page, 200), f.action) }
			send := func(v *webtest.Visitor, form url.Values, want int) string {
				v.Post(f.action, maps.Clone(form), want)
				if want != 303 {
					return v.Body
				}
				return v.Follow(200)
			}
			before := open(one)
			if body := send(one, before, 303); strings.Contains(body, `role="alert"`) {
				t.Fatalf("what was not changed cannot be saved: %s", body)
			}
			if after := open(one); !reflect.DeepEqual(after, before) {
				t.Errorf("opened again it is another:\n%v\n%v", before, after)
			}
			mine, theirs := open(one), open(other)
			theirs.Set(f.field, f.theirs)
			send(other, theirs, 303)
			if now := open(other); now.Get(f.field) != f.theirs {
				t.Fatalf("%s is %q after %q was saved", f.field, now.Get(f.field), f.theirs)
			}
			mine.Set(f.field, f.mine)
			want := 303
			if strings.Contains(f.action, "/trust/") || strings.Contains(f.action, "/describe/") {
				want = 422 // with what was typed
			}
			if body := send(one, mine, want); !strings.Contains(body, "Somebody has changed this") {
				t.Errorf("it is not told that somebody else has changed it: %s", body)
			}
			if now := open(one); now.Get(f.field) != f.theirs {
				t.Errorf("%s is %q, what the other has saved is lost", f.field, now.Get(f.field))
			}
		})
	}
	t.Run("what no field shows stays", func(t *testing.T) {
		var rules struct {
			Items []struct {
				Name    string
				Enabled bool
			}
		}
		if err := json.Unmarshal(s.API(t, "GET", "/replication/rules", "", 200), &rules); err != nil || len(rules.Items) != 2 ||
			!rules.Items[0].Enabled || rules.Items[1].Enabled {
			t.Errorf("rules that were saved: %+v %v", rules, err)
		}
		s.Change(t, func(ctx context.Context, tx *metadata.Tx) error {
			var secret string
			err := tx.Querier().Row(ctx, "SELECT secret FROM endpoints WHERE name = 'far'").Scan(&secret)
			if secret == "" {
				t.Error("an endpoint that was saved without a password has lost the one that it had")
			}
			return err
		})
	})
	t.Run("what is there is not replaced", func(t *testing.T) {
		one.Get("/replication", 200)
		one.Post("/replication/proxies", url.Values{"project": {"hub"}, "upstream": {"quay.io"}}, 303)
		if body := one.Follow(200); !strings.Contains(body, `role="alert"`) {
			t.Error("a new proxy replaces another")
		}
		one.Get("/roles", 200)
		one.Post("/roles", url.Values{"name": {"mover"}, "right": {"repository:pull"}}, 303)
		one.Get("/roles", 200)
		one.Post("/roles", url.Values{"name": {"mover"}, "right": {"repository:push"}}, 422)
	})
}

// TestUndo: what is removed by a click is brought back by the next.
func TestUndo(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	s.Project(t, "payments", false, map[string]string{"ada": "maintainer"})
	img := s.Push(t, "library/app", "v1", webtest.Image{})
	s.Policies(t, "payments")
	s.Scans(t, "payments")
	admin := s.As(t, "admin")
	for name, c := range map[string]struct {
		page, action string
		fields       url.Values
		shows        string
	}{
		"member": {"/projects/payments/members", "/projects/payments/members", url.Values{"user": {"ada"}, "role": {"none"}, "repositories": {"*"}}, `name="user" value="ada"`},
		"artifact": {
			"/repositories/library/app", "/artifacts/delete/library/app@" + img.Digest.String(), url.Values{}, "/artifacts/library/app:v1",
		},
		"exception": {"/projects/payments/scanning", "/projects/payments/exceptions/remove", url.Values{"vulnerability": {"CVE-2021-3807"}}, "not reachable from outside"},
		"immutable": {"/projects/payments/policies", "/projects/payments/immutable/", url.Values{}, "checkout/**"},
		"retention": {"/projects/payments/policies", "/projects/payments/retention/", url.Values{}, "build-*"},
	} {
		t.Run(name, func(t *testing.T) {
			body := admin.Get(c.page, 200)
			if !strings.Contains(body, c.shows) {
				t.Fatalf("%s does not show %q", c.page, c.shows)
			}
			if strings.HasSuffix(c.action, "/") { // the rule's own, whose number the page has
				_, rest, _ := strings.Cut(body, c.action)
				id, _, _ := strings.Cut(rest, "/remove")
				c.action += id + "/remove"
			}
			admin.Post(c.action, c.fields, 303)
			body = admin.Follow(200)
			_, notice, found := strings.Cut(body, `<div class="notice"`)
			if !found {
				t.Fatalf("nothing is said: %s", body)
			}
			_, action, found := strings.Cut(notice[:strings.Index(notice, "</form>")+1], `action="`)
			if !found {
				t.Fatalf("it cannot be undone: %s", notice)
			}
			action, _, _ = strings.Cut(action, `"`)
			doc := body[strings.Index(body, `<div class="notice"`):]
			undo := formIn(t, doc[:strings.Index(doc, "</form>")]+"</form>", html.UnescapeString(action))
			if strings.Contains(admin.Get(c.page, 200), c.shows) {
				t.Errorf("%s still shows %q", c.page, c.shows)
			}
			admin.Post(html.UnescapeString(action), undo, 303)
			admin.Follow(200)
			if body := admin.Get(c.page, 200); !strings.Contains(body, c.shows) {
				t.Errorf("%s does not show %q again", c.page, c.shows)
			}
		})
	}
}
