package harbor_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// reportsOfNames are what people do with names, patterns, logs and limits.
var reportsOfNames = []report{
	{"habit: the log is filtered by time, kind and operation, and sorted as it is", logFilters},
	{"habit: a project has dots, dashes and underscores in its name", oddProjects},
	{"habit: %, _ and ' in q= are themselves", literalTerms},
	{"habit: names of users that cannot be are refused with what can", oddUsers},
	{"habit: a user who is made again has nothing of the one before", userAgain},
	{"habit: patterns of immutable tags have braces, ranges and no regular expressions", oddPatterns},
	{"habit: limits that cannot be are refused", oddLimits},
	{"habit: a label with a name of any letters, twice is 409", oddLabels},
	{"habit: a repository of several parts is deleted by its name escaped once or twice", deepRepositories},
	{"habit: tags that cannot be are refused by name", oddTags},
	{"habit: a project with images is not deletable, and says so", fullProject},
	{"habit: a page behind the last one is empty, and says how long the list is", farPage},
	{"habit: a body that is none is 400 in the shape of errors", oddBodies},
	{"habit: the number of a project that is gone is nobody's", goneNumber},
	{"habit: a robot ends when its project does", robotOfGone},
}

// TestReportedOfNames tries them on one registry.
func TestReportedOfNames(t *testing.T) {
	c := harborClient{t, webtest.Start(t, config.Config{}), [2]string{"admin", webtest.Password}}
	for _, r := range reportsOfNames {
		t.Run(r.of, func(t *testing.T) {
			c := c
			c.t = t
			r.do(c)
		})
	}
}

func (c harborClient) count(path string) (n int) {
	c.t.Helper()
	var list []object
	c.do("GET", path, nil, 200).into(&list)
	return len(list)
}

func logFilters(c harborClient) {
	c.project("logged")
	q := func(text string) string { return "/audit-logs?sort=-op_time&page_size=100&q=" + url.QueryEscape(text) }
	hour := func(n time.Duration) string { return time.Now().UTC().Add(n * time.Hour).Format(time.DateTime) }
	c.do("GET", q("operation=create,resource_type=project,resource=logged"), nil, 200).has(`"resource":"logged"`, `"operation":"create"`)
	if n := c.count(q("resource=logged,op_time=[" + hour(-1) + "~" + hour(1) + "]")); n != 1 {
		c.t.Errorf("%d lines of this hour", n)
	}
	for _, span := range []string{"[" + hour(1) + "~]", "[~" + hour(-1) + "]"} {
		if n := c.count(q("resource=logged,op_time=" + span)); n != 0 {
			c.t.Errorf("%d lines in %s", n, span)
		}
	}
	c.do("GET", q("op_time=[yesterday~]"), nil, 400).has("yesterday")
	c.do("GET", q("operation=create"), nil, 501).has("resource_type")
	c.do("GET", "/audit-logs?sort=op_time", nil, 501)
	c.do("GET", "/projects/logged/logs?sort=-op_time&q=operation%3Dcreate%2Cresource_type%3Dproject", nil, 200).has(`"resource":"logged"`)
}

func oddProjects(c harborClient) {
	for _, name := range []string{"my.project", "my-project", "my_project", "a1.b2-c3_d4", "0815.x"} {
		c.project(name)
		c.site.Push(c.t, name+"/app", "v1", webtest.Image{})
		c.do("GET", "/projects/"+name+"/repositories", nil, 200).has(`"name":"` + name + `/app"`)
		c.do("GET", "/projects/"+name+"/repositories/app/artifacts/v1", nil, 200)
	}
	for _, name := range []string{"My", "a..b", "-a", "a-", "a/b", "a b", "", "é", "a%2fb"} {
		c.do("POST", "/projects", object{"project_name": name}, 400)
	}
}

func literalTerms(c harborClient) {
	c.project("like")
	for _, tag := range []string{"a_b", "axb", "a.b"} {
		c.site.Push(c.t, "like/app", tag, webtest.Image{Layers: []map[string]string{{"n": tag}}})
	}
	c.site.Push(c.t, "like/a_b", "v1", webtest.Image{})
	c.site.Push(c.t, "like/a-b", "v1", webtest.Image{})
	for q, want := range map[string]int{"name=~a_b": 1, "name=~%": 0, "name=~'": 0, "name=~a-b": 1, "name=~": 3} {
		if n := c.count("/projects/like/repositories?q=" + url.QueryEscape(q)); n != want {
			c.t.Errorf("q=%s finds %d, want %d", q, n, want)
		}
	}
}

func oddUsers(c harborClient) {
	body := func(name string) object {
		return object{"username": name, "password": "Correct-horse-1", "email": "x@example.com", "realname": "X"}
	}
	for _, name := range []string{"a,b", "a$b", "a:b", "a b", "", "a#b", strings.Repeat("x", 300), "robot$x"} {
		c.do("POST", "/users", body(name), 400)
	}
	for _, name := range []string{"ann.b", "ann-b", "ann_b", "ann@example.com"} {
		c.do("POST", "/users", body(name), 201)
		c.do("POST", "/users", body(name), 409)
	}
}

func userAgain(c harborClient) {
	c.project("again")
	body := object{"username": "bob", "password": "Correct-horse-1", "email": "bob@example.com", "realname": "Bob", "comment": "the first"}
	first := locationOf(c.do("POST", "/users", body, 201))
	c.do("POST", "/projects/again/members", object{"role_id": 1, "member_user": object{"username": "bob"}}, 201)
	c.do("DELETE", first, nil, 200)
	delete(body, "comment")
	second := locationOf(c.do("POST", "/users", body, 201))
	if first == second {
		c.t.Errorf("both are %s", first)
	}
	c.do("GET", second, nil, 200).hasNot("the first")
	if n := c.count("/projects/again/members?entityname=bob"); n != 0 {
		c.t.Error("he is a member still")
	}
}

func oddPatterns(c harborClient) {
	c.project("odd")
	c.do("POST", "/projects/odd/immutabletagrules", tfImmutable(0, "{"), 400)
	rule := tfImmutable(0, "{v*,r[0-9]}")
	rule["tag_selectors"].([]object)[0]["decoration"] = "matches"
	c.do("POST", "/projects/odd/immutabletagrules", rule, 201)
	for _, tag := range []string{"v1", "r1", "rx", "x.v1", "latest"} {
		c.site.Push(c.t, "odd/app", tag, webtest.Image{Layers: []map[string]string{{"n": tag}}})
		want := map[bool]int{true: 403, false: 200}[tag == "v1" || tag == "r1"]
		if got := c.do("DELETE", "/projects/odd/repositories/app/artifacts/"+tag+"/tags/"+tag, nil, 0); got.status != want {
			c.t.Errorf("deleting %s: %d, want %d: %s", tag, got.status, want, got.body)
		}
	}
}

func oddLimits(c harborClient) {
	c.project("limited")
	var quotas []struct {
		ID  int64
		Ref struct{ Name string }
	}
	c.do("GET", "/quotas?page_size=100", nil, 200).into(&quotas)
	for _, q := range quotas {
		if q.Ref.Name != "limited" {
			continue
		}
		at := fmt.Sprint("/quotas/", q.ID)
		for _, n := range []any{0, -2, "many", 1.5} {
			c.do("PUT", at, object{"hard": object{"storage": n}}, 400)
		}
		c.do("PUT", at, object{"hard": object{}}, 400)
		c.do("PUT", at, object{"hard": object{"storage": 1 << 40}}, 200)
		c.do("PUT", at, object{"hard": object{"storage": -1}}, 200)
	}
}

func oddLabels(c harborClient) {
	label := object{"name": "已测试 ✓ <b>", "description": "x", "color": "#00aa00", "scope": "g"}
	at := locationOf(c.do("POST", "/labels", label, 201))
	c.do("POST", "/labels", label, 409)
	c.do("GET", at, nil, 200).has("已测试")
	c.do("GET", "/labels?scope=g&name="+url.QueryEscape("已测试 ✓ <b>"), nil, 200).has(`"color":"#00aa00"`)
	for _, color := range []string{"red", "false", "#00aa0", "url(x)"} {
		label["color"], label["name"] = color, "other"
		c.do("POST", "/labels", label, 400).has("color")
	}
}

func deepRepositories(c harborClient) {
	c.project("deep")
	for _, slash := range []string{"%2F", "%252F"} {
		c.site.Push(c.t, "deep/a/b/c", "v1", webtest.Image{})
		c.do("GET", "/projects/deep/repositories/a"+slash+"b"+slash+"c/artifacts?with_tag=true", nil, 200).has(`"name":"v1"`)
		c.do("DELETE", "/projects/deep/repositories/a"+slash+"b"+slash+"c", nil, 200)
		c.do("GET", "/projects/deep/repositories/a"+slash+"b"+slash+"c", nil, 404)
	}
}

func oddTags(c harborClient) {
	c.project("tags")
	c.site.Push(c.t, "tags/app", "v1", webtest.Image{})
	for _, tag := range []string{"", "a/b", "a b", "-x", ".x", strings.Repeat("x", 129), "é"} {
		c.do("POST", "/projects/tags/repositories/app/artifacts/v1/tags", object{"name": tag}, 400)
	}
	c.do("POST", "/projects/tags/repositories/app/artifacts/v1/tags", object{"name": "A_b.c-1"}, 201)
	c.do("GET", "/projects/tags/repositories/app/artifacts/A_b.c-1", nil, 200)
}

func fullProject(c harborClient) {
	c.project("full")
	c.site.Push(c.t, "full/app", "v1", webtest.Image{})
	c.do("GET", "/projects/full/_deletable", nil, 200).has(`"deletable":false`)
	c.do("DELETE", "/projects/full", nil, 412)
	c.do("DELETE", "/projects/full/repositories/app", nil, 200)
	c.do("GET", "/projects/full/_deletable", nil, 200).has(`"deletable":true`)
	c.do("DELETE", "/projects/full", nil, 200)
}

func farPage(c harborClient) {
	a := c.do("GET", "/projects?page=99&page_size=10", nil, 200)
	if got := strings.TrimSpace(string(a.body)); got != "[]" || a.header.Get("X-Total-Count") == "" || a.header.Get("X-Total-Count") == "0" {
		c.t.Errorf("page 99: %s of %s", got, a.header.Get("X-Total-Count"))
	}
}

func oddBodies(c harborClient) {
	for _, body := range []any{"text", []int{1}, 7, object{"project_name": 7}, object{"metadata": "x", "project_name": "x"}} {
		c.do("POST", "/projects", body, 400).has(`{"errors":[{"code":"BAD_REQUEST"`)
	}
}

func goneNumber(c harborClient) {
	at := locationOf(c.do("POST", "/projects", object{"project_name": "number"}, 201))
	c.do("DELETE", at, nil, 200)
	c.do("GET", at, nil, 404)
	if again := locationOf(c.do("POST", "/projects", object{"project_name": "number"}, 201)); again == at {
		c.t.Errorf("a project made anew has the number of the one that is gone: %s", at)
	}
}

func robotOfGone(c harborClient) {
	c.project("short")
	var made struct{ Name, Secret string }
	a := c.do("POST", "/robots", object{"name": "ci", "level": "project", "duration": -1, "permissions": []object{
		{"kind": "project", "namespace": "short", "access": []object{{"resource": "repository", "action": "pull"}}},
	}}, 201)
	a.into(&made)
	c.do("DELETE", "/projects/short", nil, 200)
	c.do("GET", locationOf(a), nil, 404)
	time.Sleep(600 * time.Millisecond) // what is ended is out within a second
	if got := c.site.Status(c.t, made.Name, made.Secret, "GET", "/v2/"); got != 401 {
		c.t.Errorf("the robot of a project that is gone: %d", got)
	}
}
