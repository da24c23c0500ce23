package harbor_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// reports are what people wrote of Harbor, its Terraform provider and an exporter of its
// figures, each done again with what its author expected.
var reports = []report{
	{"harbor#8681, harbor#11512: what a project holds can be deleted when it is over its quota", overQuota},
	{"harbor#11517: a copy that brings no bytes is not refused at the limit", copyAtLimit},
	{"harbor#19295: a push that is refused leaves the usage as it was", refusedPush},
	{"harbor#17443: artifacts of a repository that is not there are 404", noRepository},
	{"harbor#11488, harbor#12131, harbor#18355: a slash in a repository's name, escaped once or twice", slashes},
	{"harbor#18320: a robot without rights", robotWithoutRights},
	{"harbor#8717: of several tags of one image one is deleted", oneOfSeveralTags},
	{"harbor#21710: a rule that excludes several patterns with **", excludedPatterns},
	{"harbor#15700: several repositories in one pattern", severalRepositories},
	{"harbor#18123: who deletes an immutable tag is told that it is one", deleteImmutable},
	{"harbor#13786: system robots are listed after a project of theirs is gone", robotsOfAGoneProject},
	{"harbor#11146: a robot of a project that is gone signs in no more", robotOfAGoneProject},
	{"harbor#17586, harbor#19342: an administrator hears 404 of a project that is not there", noProject},
	{"harbor#18060: a project whose name is a number", numberedProject},
	{"harbor#1652, harbor#1894, harbor#8408: HEAD says whether there is a project", headProject},
	{"harbor#19715: a webhook shows whether certificates are checked", hookShowsSkip},
	{"harbor#840, harbor#911: an administrator sets a password, also the one that it is", setPassword},
	{"harbor#12236: a rule of retention is deleted, and all of them", deleteRetention},
	{"harbor#6860: a robot's end is its duration from now, also when it is changed", robotDuration},
	{"terraform-provider-harbor#90, #505: a robot is changed by either of its names", robotNames},
	{"harbor_exporter#29: pages and totals of what is searched for", pages},
	{"harbor#16065: what one of two rules keeps is kept", eitherRule},
}

type report struct {
	of string
	do func(harborClient)
}

// TestReported does again what people reported.
func TestReported(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			cfg := config.Config{}
			if engine == "postgres" {
				cfg.Database = metadatatest.Postgres(t).New(t)
			}
			site := webtest.Start(t, cfg)
			all := slices.Concat(reports, reportsAgain, reportsOfPages)
			for _, r := range all {
				t.Run(r.of, func(t *testing.T) { r.do(harborClient{t, site, [2]string{"admin", webtest.Password}}) })
			}
			t.Logf("%d reports", len(all))
		})
	}
}

// layer is a layer of about so many bytes that nothing packs.
func layer(n int, seed string) map[string]string {
	text := make([]byte, n)
	x := uint32(len(seed)) + 7
	for i := range text {
		x = x*1664525 + 1013904223 + uint32(seed[i%len(seed)])
		text[i] = byte(x >> 24)
	}
	return map[string]string{"data": string(text)}
}

func (c harborClient) project(name string) string {
	c.t.Helper()
	c.do("POST", "/projects", object{"project_name": name}, 201)
	var p struct {
		ID int64 `json:"project_id"`
	}
	c.do("GET", "/projects/"+name, nil, 200).into(&p)
	return fmt.Sprint(p.ID)
}

func overQuota(c harborClient) {
	id := c.project("full")
	c.site.Push(c.t, "full/app", "small", webtest.Image{Layers: []map[string]string{layer(1000, "a")}})
	c.site.Push(c.t, "full/app", "large", webtest.Image{Layers: []map[string]string{layer(100_000, "b")}})
	c.do("PUT", "/quotas/"+id, object{"hard": object{"storage": 50_000}}, 200)
	c.do("DELETE", "/projects/full/repositories/app/artifacts/small", nil, 200)
	c.do("DELETE", "/projects/full/repositories/app/artifacts/large", nil, 200)
}

func copyAtLimit(c harborClient) {
	id := c.project("limit")
	c.site.Push(c.t, "limit/app", "v1", webtest.Image{Layers: []map[string]string{layer(20_000, "c")}})
	var q struct{ Used struct{ Storage int64 } }
	c.do("GET", "/quotas/"+id, nil, 200).into(&q)
	c.do("PUT", "/quotas/"+id, object{"hard": object{"storage": q.Used.Storage}}, 200)
	c.do("POST", "/projects/limit/repositories/again/artifacts?from=limit/app:v1", nil, 201)
}

func refusedPush(c harborClient) {
	id := c.project("tight")
	c.do("PUT", "/quotas/"+id, object{"hard": object{"storage": 10_000}}, 200)
	text := []byte(strings.Repeat("x", 20_000))
	c.site.Do(c.t, webtest.Call{
		Method: "POST", Path: "/v2/tight/app/blobs/uploads/?digest=" + digest.FromBytes(text).String(),
		Type: "application/octet-stream", Body: text,
	}, 413)
	c.do("GET", "/quotas/"+id, nil, 200).has(`"used":{"storage":0}`)
}

func noRepository(c harborClient) {
	c.project("some")
	c.do("GET", "/projects/some/repositories/absent/artifacts", nil, 404)
	c.do("GET", "/projects/some/repositories/absent", nil, 404)
}

func slashes(c harborClient) {
	c.project("builds")
	c.site.Push(c.t, "builds/devexp/vfb", "v1", webtest.Image{})
	for _, name := range []string{"devexp%2Fvfb", "devexp%252Fvfb"} {
		base := "/projects/builds/repositories/" + name + "/artifacts"
		c.do("GET", base+"?q=tags%3D*&page=1&page_size=10&with_tag=true", nil, 200).has(`"name":"v1"`)
		c.do("POST", base+"/v1/tags", object{"name": "more"}, 201)
		c.do("DELETE", base+"/v1/tags/more", nil, 200)
	}
	c.do("GET", "/projects/builds/repositories/devexp%25252Fvfb/artifacts", nil, 400)
}

func robotWithoutRights(c harborClient) {
	c.project("robots")
	c.do("POST", "/robots", object{"name": "none", "level": "project", "duration": -1, "permissions": []object{}}, 400)
	pulls := object{"kind": "project", "namespace": "robots", "access": []object{{"resource": "repository", "action": "pull"}}}
	reply := c.do("POST", "/robots", object{"name": "some", "level": "project", "duration": -1, "permissions": []object{pulls}}, 201)
	c.do("PUT", "/robots/"+reply.id(), object{
		"name": "some", "level": "project", "duration": -1, "disable": true, "permissions": []object{pulls},
	}, 200)
}

func oneOfSeveralTags(c harborClient) {
	c.project("tags")
	c.site.Push(c.t, "tags/app", "v1", webtest.Image{})
	base := "/projects/tags/repositories/app/artifacts"
	for _, name := range []string{"release", "nightly"} {
		c.do("POST", base+"/v1/tags", object{"name": name}, 201)
	}
	c.do("DELETE", base+"/v1/tags/nightly", nil, 200)
	c.do("GET", base+"/v1/tags", nil, 200).has(`"name":"v1"`, `"name":"release"`).hasNot("nightly")
}

func immutableRule(decoration, pattern, tags string) object {
	return object{
		"tag_selectors":   []object{{"kind": "doublestar", "decoration": "matches", "pattern": tags}},
		"scope_selectors": object{"repository": []object{{"kind": "doublestar", "decoration": decoration, "pattern": pattern}}},
	}
}

func excludedPatterns(c harborClient) {
	c.project("excluded")
	repos := []string{"builder-go", "noroot/builder-go", "noroot/trigger-pipeline", "other"}
	for _, repo := range repos {
		c.site.Push(c.t, "excluded/"+repo, "latest", webtest.Image{})
	}
	c.do("POST", "/projects/excluded/immutabletagrules", immutableRule("repoExcludes", "{**/trigger-pipeline,**/builder-go}", "**"), 201)
	for i, repo := range repos {
		want := fmt.Sprintf(`"immutable":%t`, i == len(repos)-1)
		c.do("GET", "/projects/excluded/repositories/"+strings.ReplaceAll(repo, "/", "%2F")+"/artifacts/latest/tags", nil, 200).has(want)
	}
}

func severalRepositories(c harborClient) {
	c.project("several")
	for _, repo := range []string{"a/first", "a/second", "a/third"} {
		c.site.Push(c.t, "several/"+repo, "v1", webtest.Image{})
	}
	c.do("POST", "/projects/several/immutabletagrules", immutableRule("repoMatches", "a/{first,second}", "**"), 201)
	for repo, kept := range map[string]bool{"first": true, "second": true, "third": false} {
		c.do("GET", "/projects/several/repositories/a%2F"+repo+"/artifacts/v1/tags", nil, 200).has(fmt.Sprintf(`"immutable":%t`, kept))
	}
	// Without braces it is one name that no repository can have: the rule would do nothing.
	c.do("POST", "/projects/several/immutabletagrules", immutableRule("repoMatches", "a/first,a/second", "**"), 400).has("{")
}

func deleteImmutable(c harborClient) {
	c.project("kept")
	c.site.Push(c.t, "kept/app", "v1", webtest.Image{})
	c.do("POST", "/projects/kept/immutabletagrules", immutableRule("repoMatches", "**", "v*"), 201)
	c.do("DELETE", "/projects/kept/repositories/app/artifacts/v1/tags/v1", nil, 403).has("is immutable: rule")
	c.do("DELETE", "/projects/kept/repositories/app/artifacts/v1", nil, 403).has("is immutable: rule")
}

func robotsOfAGoneProject(c harborClient) {
	c.project("gone")
	pulls := func(of string) object {
		return object{"kind": "project", "namespace": of, "access": []object{{"resource": "repository", "action": "pull"}}}
	}
	c.do("POST", "/robots", object{"name": "wide", "level": "system", "duration": -1, "permissions": []object{pulls("gone")}}, 201)
	c.do("DELETE", "/projects/gone", nil, 200)
	c.do("GET", "/robots", nil, 200).has("robot$wide")
}

func robotOfAGoneProject(c harborClient) {
	c.project("brief")
	var made struct{ Name, Secret string }
	pulls := object{"kind": "project", "namespace": "brief", "access": []object{{"resource": "repository", "action": "pull"}}}
	c.do("POST", "/robots", object{"name": "ci", "level": "project", "duration": -1, "permissions": []object{pulls}}, 201).into(&made)
	if got := c.site.Status(c.t, made.Name, made.Secret, "GET", "/v2/"); got != 200 {
		c.t.Errorf("the robot signs in: %d", got)
	}
	c.do("DELETE", "/projects/brief", nil, 200)
	for since := time.Now(); c.site.Status(c.t, made.Name, made.Secret, "GET", "/v2/") != 401; time.Sleep(50 * time.Millisecond) {
		if time.Since(since) > 10*time.Second { // it ends within a second
			c.t.Fatal("the robot still signs in")
		}
	}
	c.project("brief")
	c.do("POST", "/robots", object{"name": "ci", "level": "project", "duration": -1, "permissions": []object{pulls}}, 201)
}

func noProject(c harborClient) {
	c.do("GET", "/projects/fake123", nil, 404).has(`"code":"NOT_FOUND"`)
	c.do("GET", "/projects/123456789", nil, 404).has(`"code":"NOT_FOUND"`)
}

func numberedProject(c harborClient) {
	c.project("555")
	c.do("GET", "/projects/555", nil, 200).has(`"name":"555"`)
	r, err := http.NewRequestWithContext(c.t.Context(), "GET", c.site.URL+"/api/v2.0/projects/555/summary", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth(c.who[0], c.who[1])
	r.Header.Set("X-Is-Resource-Name", "true")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		c.t.Errorf("by its name: %d", resp.StatusCode)
	}
}

func headProject(c harborClient) {
	c.project("there")
	c.do("HEAD", "/projects?project_name=there", nil, 200)
	c.do("HEAD", "/projects?project_name=the", nil, 404)
}

func hookShowsSkip(c harborClient) {
	c.project("hooks")
	for _, skip := range []bool{true, false} {
		at := c.do("POST", "/projects/hooks/webhook/policies", object{
			"name": fmt.Sprint("skip-", skip), "event_types": []string{"PUSH_ARTIFACT"}, "enabled": true,
			"targets": []object{{"type": "http", "address": "https://ci.example.com/x", "skip_cert_verify": skip}},
		}, 201).id()
		c.do("GET", "/projects/hooks/webhook/policies/"+at, nil, 200).has(fmt.Sprintf(`"skip_cert_verify":%t`, skip))
	}
}

func setPassword(c harborClient) {
	id := c.do("POST", "/users", object{"username": "dora", "password": webtest.Password}, 201).id()
	for range 2 {
		c.do("PUT", "/users/"+id+"/password", object{"new_password": "Another one 12"}, 200)
	}
	c.do("PUT", "/users/"+id+"/password", object{"new_password": "short"}, 400)
}

func retentionRule(template, tags string, params object) object {
	return object{
		"action": "retain", "template": template, "params": params,
		"tag_selectors":   []object{{"kind": "doublestar", "decoration": "matches", "pattern": tags}},
		"scope_selectors": object{"repository": []object{{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}}},
	}
}

func retentionOf(project string, rules ...object) object {
	var id int64
	_, _ = fmt.Sscan(project, &id)
	return object{
		"algorithm": "or", "rules": rules, "scope": object{"level": "project", "ref": id},
		"trigger": object{"kind": "Schedule", "settings": object{"cron": ""}},
	}
}

func deleteRetention(c harborClient) {
	id := c.project("keeping")
	always := retentionRule("always", "**", object{})
	newest := retentionRule("latestPushedK", "v*", object{"latestPushedK": 3})
	c.do("POST", "/retentions", retentionOf(id, always, newest), 201)
	c.do("PUT", "/retentions/"+id, retentionOf(id, newest), 200)
	c.do("GET", "/retentions/"+id, nil, 200).has("latestPushedK").hasNot(`"always"`)
	c.do("DELETE", "/retentions/"+id, nil, 200)
	c.do("GET", "/projects/keeping", nil, 200).hasNot("retention_id")
}

func robotDuration(c harborClient) {
	c.project("timed")
	pulls := object{"kind": "project", "namespace": "timed", "access": []object{{"resource": "repository", "action": "pull"}}}
	reply := c.do("POST", "/robots", object{"name": "ci", "level": "project", "duration": 10, "permissions": []object{pulls}}, 201)
	at := "/robots/" + reply.id()
	ends := func(days int) {
		c.t.Helper()
		var r struct {
			Expires int64 `json:"expires_at"`
		}
		c.do("GET", at, nil, 200).into(&r)
		want := time.Now().AddDate(0, 0, days)
		if left := time.Unix(r.Expires, 0).Sub(want).Abs(); left > 25*time.Hour {
			c.t.Errorf("it ends %v, want %v", time.Unix(r.Expires, 0), want)
		}
	}
	ends(10)
	c.do("PUT", at, object{"name": "ci", "level": "project", "duration": 30, "permissions": []object{pulls}}, 200)
	ends(30)
}

func robotNames(c harborClient) {
	c.project("named")
	pulls := object{"kind": "project", "namespace": "named", "access": []object{{"resource": "repository", "action": "pull"}}}
	reply := c.do("POST", "/robots", object{"name": "ci.build", "level": "project", "duration": -1, "permissions": []object{pulls}}, 201)
	for _, name := range []string{"robot$named+ci.build", "ci.build"} {
		c.do("PUT", "/robots/"+reply.id(), object{
			"name": name, "level": "project", "duration": -1, "description": "by " + name, "permissions": []object{pulls},
		}, 200)
		c.do("GET", "/robots/"+reply.id(), nil, 200).has(`"name":"robot$named+ci.build"`, "by "+name)
	}
}

func pages(c harborClient) {
	c.project("pages")
	for i := range 13 {
		c.site.Push(c.t, fmt.Sprintf("pages/app-%02d", i), "v1", webtest.Image{})
	}
	c.site.Push(c.t, "pages/other", "v1", webtest.Image{})
	seen := 0
	for page := 1; page <= 4; page++ {
		r := c.do("GET", fmt.Sprintf("/projects/pages/repositories?q=name=~app-&page_size=5&page=%d", page), nil, 200)
		if total := r.header.Get("X-Total-Count"); total != "13" {
			c.t.Errorf("page %d: in all %s", page, total)
		}
		var list []object
		r.into(&list)
		seen += len(list)
		// One header, as Harbor has it: many clients read the first alone.
		if next := strings.Contains(r.header.Get("Link"), `rel="next"`); next != (page < 3) {
			c.t.Errorf("page %d: %s", page, r.header.Get("Link"))
		}
	}
	if seen != 13 {
		c.t.Errorf("%d are seen", seen)
	}
}

func eitherRule(c harborClient) {
	id := c.project("either")
	for i := range 4 {
		for _, repo := range []string{"one", "deep/two"} {
			c.site.Push(c.t, "either/"+repo, fmt.Sprintf("keep_%d", i), webtest.Image{Layers: []map[string]string{{"k": fmt.Sprint(i, repo)}}})
		}
	}
	for i := range 4 {
		for _, repo := range []string{"one", "deep/two"} {
			c.site.Push(c.t, "either/"+repo, fmt.Sprintf("build_%d", i), webtest.Image{Layers: []map[string]string{{"b": fmt.Sprint(i, repo)}}})
		}
	}
	c.do("POST", "/retentions", retentionOf(id,
		retentionRule("latestPushedK", "**", object{"latestPushedK": 2}), retentionRule("always", "{keep_*,latest}", object{})), 201)
	c.do("POST", "/retentions/"+id+"/executions", object{"dry_run": false}, 201)
	for since := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if r := c.do("GET", "/retentions/"+id+"/executions", nil, 200); strings.Contains(string(r.body), `"status":"Success"`) {
			break
		}
		if time.Since(since) > time.Minute {
			c.t.Fatal("the run does not end")
		}
	}
	for _, repo := range []string{"one", "deep%2Ftwo"} {
		c.do("GET", "/projects/either/repositories/"+repo+"/artifacts?page_size=100", nil, 200).has(
			`"name":"keep_0"`, `"name":"keep_1"`, `"name":"keep_2"`, `"name":"keep_3"`, `"name":"build_3"`, `"name":"build_2"`,
		).hasNot(`"name":"build_0"`).hasNot(`"name":"build_1"`)
	}
}

func emptiedProject(c harborClient) {
	c.project("emptied")
	c.site.Push(c.t, "emptied/app", "v1", webtest.Image{Layers: []map[string]string{layer(1000, "e")}})
	c.site.Push(c.t, "emptied/web", "v1", webtest.Image{Layers: []map[string]string{layer(1000, "f")}})
	c.do("DELETE", "/projects/emptied", nil, 412).has(`"code":"PRECONDITION"`)
	c.do("GET", "/projects/emptied/_deletable", nil, 200).has(`"deletable":false`)
	c.do("DELETE", "/projects/emptied/repositories/app/artifacts/v1", nil, 200)
	c.do("DELETE", "/projects/emptied/repositories/app", nil, 200)
	c.do("DELETE", "/projects/emptied/repositories/web", nil, 200)
	if text := string(c.do("GET", "/projects/emptied/repositories", nil, 200).body); text != "[]" {
		c.t.Errorf("repositories that hold nothing: %s", text)
	}
	c.do("GET", "/projects/emptied/_deletable", nil, 200).has(`"deletable":true`)
	c.do("DELETE", "/projects/emptied", nil, 200)
	c.do("GET", "/projects/emptied", nil, 404)
	for _, list := range []string{"/projects?page_size=100", "/quotas?page_size=100", "/search?q=emptied"} {
		c.do("GET", list, nil, 200).hasNot("emptied")
	}
	c.project("emptied") // the name is free
	c.do("DELETE", "/projects/emptied", nil, 200)
}
