package harbor_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/web/webtest"
)

// reportsAgain are more of what people wrote, of labels, usage, retention and the log.
var reportsAgain = []report{
	{"harbor#18669, harbor#18313: a project that was just emptied is deleted, and empty repositories are in no list", emptiedProject},
	{"console#2516: what holds something is not deleted, which is 412", nothingThatHolds},
	{"harbor#12112: a label that is deleted is on no artifact", deletedLabel},
	{"harbor#20799, harbor#4652: a label goes on and off, and twice is told", labelTwice},
	{"harbor#17059, harbor#18033: an artifact tells its labels, whichever tag it is asked by", labelsAreTold},
	{"harbor#20730: a robot finds by the name of a label of all projects what has it", robotsFindLabels},
	{"harbor#8888: a copy that is deleted leaves the usage of where it came from", deletedCopy},
	{"harbor#11398: a blob that is deleted frees what it used", deletedBlob},
	{"harbor#17781, harbor#22543: retention runs beside rules of immutable tags, and leaves what they keep", retentionOfImmutable},
	{"harbor#16335: what has no tag is not immutable", untaggedIsFree},
	{"rules of retention by the labels of artifacts", labelsAreKept},
	{"harbor#18351, harbor#883: who was made and deleted, and which project, is in the log", changesAreLogged},
	{"harbor#13508, harbor#14277: sign-ins are in the log, and those that failed", signInsAreLogged},
	{"harbor#16850, harbor#18320: a robot that has ended is listed, and goes on with another duration", endedRobot},
}

func nothingThatHolds(c harborClient) {
	c.project("holds")
	c.site.Push(c.t, "holds/app", "v1", webtest.Image{})
	c.do("DELETE", "/projects/holds", nil, 412).has(`"code":"PRECONDITION"`)
	c.do("DELETE", "/projects/library", nil, 400)
}

// label makes one of all projects, and is its number.
func (c harborClient) label(name string) string {
	c.t.Helper()
	return c.do("POST", "/labels", object{"name": name, "scope": "g"}, 201).id()
}

func numbered(id string) object { return object{"id": json.Number(id)} }

func deletedLabel(c harborClient) {
	c.project("unlabelled")
	c.site.Push(c.t, "unlabelled/app", "v1", webtest.Image{})
	id := c.label("going")
	const one = "/projects/unlabelled/repositories/app/artifacts/v1"
	c.do("POST", one+"/labels", numbered(id), 200)
	c.do("GET", one, nil, 200).has(`"name":"going"`)
	c.do("DELETE", "/labels/"+id, nil, 200)
	c.do("GET", one, nil, 200).has(`"labels":[]`)
}

func labelTwice(c harborClient) {
	c.project("twice")
	c.site.Push(c.t, "twice/app", "v1", webtest.Image{})
	id := c.label("quick")
	const labels = "/projects/twice/repositories/app/artifacts/v1/labels"
	for range 2 {
		c.do("POST", labels, numbered(id), 200)
		c.do("POST", labels, numbered(id), 409).has("has the label")
		c.do("DELETE", labels+"/"+id, nil, 200)
		c.do("DELETE", labels+"/"+id, nil, 404)
	}
}

func labelsAreTold(c harborClient) {
	c.project("told")
	img := c.site.Push(c.t, "told/app", "v1", webtest.Image{})
	c.do("POST", "/projects/told/repositories/app/artifacts/v1/tags", object{"name": "v2"}, 201)
	id := c.label("said")
	c.do("POST", "/projects/told/repositories/app/artifacts/v1/labels", numbered(id), 200)
	for _, by := range []string{"v1", "v2", img.Digest.String()} {
		for _, query := range []string{"", "?with_label=true", "?with_label=true&with_tag=true&page=1&page_size=10"} {
			c.do("GET", "/projects/told/repositories/app/artifacts/"+by+query, nil, 200).has(`"name":"said"`, `"id":`+id)
		}
	}
	c.do("GET", "/projects/told/repositories/app/artifacts?with_label=true", nil, 200).has(`"name":"said"`)
}

// robot makes a robot of a project with these rights, as resource:action.
func (c harborClient) robot(project string, duration int, rights ...string) (who [2]string, id string) {
	c.t.Helper()
	var access []object
	for _, right := range rights {
		resource, action, _ := strings.Cut(right, ":")
		access = append(access, object{"resource": resource, "action": action})
	}
	var made struct {
		ID           int64
		Name, Secret string
	}
	c.do("POST", "/robots", object{
		"name": "ci", "level": "project", "duration": duration,
		"permissions": []object{{"kind": "project", "namespace": project, "access": access}},
	}, 201).into(&made)
	return [2]string{made.Name, made.Secret}, fmt.Sprint(made.ID)
}

func robotsFindLabels(c harborClient) {
	c.project("found")
	c.site.Push(c.t, "found/app", "v1", webtest.Image{})
	c.site.Push(c.t, "found/app", "v2", webtest.Image{Layers: []map[string]string{{"n": "2"}}})
	id := c.label("wanted")
	c.do("POST", "/projects/found/repositories/app/artifacts/v1/labels", numbered(id), 200)
	who, _ := c.robot("found", -1, "repository:pull", "repository:read", "artifact:read", "artifact:list")
	robot := harborClient{c.t, c.site, who}
	var found []struct{ ID int64 }
	robot.do("GET", "/labels?scope=g&q=name=wanted", nil, 200).into(&found)
	if len(found) != 1 || fmt.Sprint(found[0].ID) != id {
		c.t.Fatalf("labels that a robot finds: %+v", found)
	}
	robot.do("GET", "/projects/found/repositories/app/artifacts?q=labels=("+id+")", nil, 200).has(`"name":"v1"`).hasNot(`"name":"v2"`)
	robot.do("POST", "/projects/found/repositories/app/artifacts/v2/labels", numbered(id), 403)
}

func (c harborClient) used(project string) (bytes int64) {
	c.t.Helper()
	var q struct{ Used struct{ Storage int64 } }
	c.do("GET", "/quotas/"+project, nil, 200).into(&q)
	return q.Used.Storage
}

func deletedCopy(c harborClient) {
	from, to := c.project("origin"), c.project("copied")
	c.site.Push(c.t, "origin/app", "v1", webtest.Image{Layers: []map[string]string{layer(10_000, "o"), layer(10_000, "o")}})
	before := c.used(from)
	c.do("POST", "/projects/copied/repositories/app/artifacts?from=origin/app:v1", nil, 201)
	if c.used(to) != before {
		c.t.Errorf("the copy uses %d, the origin %d", c.used(to), before)
	}
	c.do("DELETE", "/projects/copied/repositories/app/artifacts/v1", nil, 200)
	if after, rest := c.used(from), c.used(to); after != before || rest != 0 {
		c.t.Errorf("after the copy was deleted the origin uses %d of %d, the other project %d", after, before, rest)
	}
}

func deletedBlob(c harborClient) {
	id := c.project("blobs")
	text := []byte(strings.Repeat("y", 20_000))
	sum := digest.FromBytes(text).String()
	c.site.Do(c.t, webtest.Call{
		Method: "POST", Path: "/v2/blobs/app/blobs/uploads/?digest=" + sum, Type: "application/octet-stream", Body: text,
	}, 201)
	if c.used(id) != 20_000 {
		c.t.Errorf("a blob uses %d", c.used(id))
	}
	c.site.Do(c.t, webtest.Call{Method: "DELETE", Path: "/v2/blobs/app/blobs/" + sum}, 202)
	if c.used(id) != 0 {
		c.t.Errorf("after it was deleted %d are used", c.used(id))
	}
}

// retained runs a policy of retention and waits for it.
func (c harborClient) retained(id string, rules ...object) {
	c.t.Helper()
	c.do("POST", "/retentions", retentionOf(id, rules...), 201)
	c.do("POST", "/retentions/"+id+"/executions", object{"dry_run": false}, 201)
	for since := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if r := c.do("GET", "/retentions/"+id+"/executions", nil, 200); strings.Contains(string(r.body), `"status":"Success"`) {
			return
		}
		if time.Since(since) > time.Minute {
			c.t.Fatal("the run does not end")
		}
	}
}

func retentionOfImmutable(c harborClient) {
	id := c.project("fixed")
	c.do("POST", "/projects/fixed/immutabletagrules", immutableRule("repoMatches", "**", "v*"), 201)
	for i, tag := range []string{"v1", "v2", "build-1", "build-2", "build-3"} {
		c.site.Push(c.t, "fixed/app", tag, webtest.Image{Layers: []map[string]string{{"n": fmt.Sprint(i)}}})
	}
	c.retained(id, retentionRule("latestPushedK", "**", object{"latestPushedK": 1}))
	c.do("GET", "/projects/fixed/repositories/app/artifacts?page_size=100", nil, 200).has(
		`"name":"v1"`, `"name":"v2"`, `"name":"build-3"`).hasNot(`"name":"build-1"`).hasNot(`"name":"build-2"`)
}

func untaggedIsFree(c harborClient) {
	id := c.project("bare")
	c.do("POST", "/projects/bare/immutabletagrules", immutableRule("repoMatches", "**", "**"), 201)
	bare := c.site.Push(c.t, "bare/app", "", webtest.Image{Layers: []map[string]string{{"n": "bare"}}})
	c.site.Push(c.t, "bare/app", "v1", webtest.Image{Layers: []map[string]string{{"n": "v1"}}})
	rule := retentionRule("latestPushedK", "**", object{"latestPushedK": 1})
	rule["tag_selectors"].([]object)[0]["extras"] = `{"untagged":true}`
	c.retained(id, rule)
	c.do("GET", "/projects/bare/repositories/app/artifacts/v1", nil, 200)
	c.do("GET", "/projects/bare/repositories/app/artifacts/"+bare.Digest.String(), nil, 404)
}

func labelsAreKept(c harborClient) {
	id := c.project("marked")
	for _, tag := range []string{"v1", "v2"} {
		c.site.Push(c.t, "marked/app", tag, webtest.Image{Layers: []map[string]string{{"n": tag}}})
	}
	label := c.do("POST", "/labels", object{"name": "stable", "scope": "p", "project_id": json.Number(id)}, 201).id()
	c.do("POST", "/projects/marked/repositories/app/artifacts/v1/labels", numbered(label), 200)
	rule := retentionRule("always", "**", object{})
	rule["tag_selectors"] = append(rule["tag_selectors"].([]object), object{"kind": "label", "decoration": "withLabels", "pattern": "stable"})
	c.retained(id, rule)
	c.do("GET", "/retentions/"+id, nil, 200).has(`"kind":"label","decoration":"withLabels","pattern":"stable"`)
	c.do("GET", "/projects/marked/repositories/app/artifacts/v1", nil, 200)
	c.do("GET", "/projects/marked/repositories/app/artifacts/v2", nil, 404)
}

func changesAreLogged(c harborClient) {
	id := c.do("POST", "/users", object{"username": "brief", "password": webtest.Password}, 201).id()
	c.do("DELETE", "/users/"+id, nil, 200)
	c.project("logged")
	c.do("DELETE", "/projects/logged", nil, 200)
	var lines []struct {
		Username, Resource, Operation string
		Type                          string `json:"resource_type"`
	}
	c.do("GET", "/audit-logs?page_size=100", nil, 200).into(&lines)
	var told []string
	for _, l := range lines {
		if l.Resource == "brief" || l.Resource == "logged" {
			told = append(told, l.Username+" "+l.Type+" "+l.Operation+" "+l.Resource)
		}
	}
	slices.Reverse(told)
	want := "admin user add brief, admin user remove brief, admin project create logged, admin project remove logged"
	if got := strings.Join(told, ", "); got != want {
		c.t.Errorf("the log tells %s, want %s", got, want)
	}
}

func signInsAreLogged(c harborClient) {
	c.do("POST", "/users", object{"username": "visitor", "password": webtest.Password}, 201)
	harborClient{c.t, c.site, [2]string{"visitor", webtest.Password}}.do("GET", "/users/current", nil, 200)
	harborClient{c.t, c.site, [2]string{"visitor", "wrong"}}.do("GET", "/users/current", nil, 401)
	for since := time.Now(); ; time.Sleep(100 * time.Millisecond) { // it is written within a second
		text := string(c.do("GET", "/audit-logs?page_size=100", nil, 200).body)
		if strings.Contains(text, `"username":"visitor","resource":"visitor","resource_type":"sign-in"`) &&
			strings.Contains(text, `"resource":"visitor","resource_type":"sign-in","operation":"refused"`) {
			return
		}
		if time.Since(since) > 20*time.Second {
			c.t.Fatalf("sign-ins are not told: %s", text)
		}
	}
}

func endedRobot(c harborClient) {
	c.project("ended")
	who, id := c.robot("ended", 1, "repository:pull")
	c.site.API(c.t, "PATCH", "/projects/ended/robots/ci", `{"disabled":true}`, 200)
	c.do("GET", "/robots/"+id, nil, 200).has(`"disable":true`)
	pulls := object{"kind": "project", "namespace": "ended", "access": []object{{"resource": "repository", "action": "pull"}}}
	c.do("PUT", "/robots/"+id, object{
		"name": "ci", "level": "project", "duration": -1, "disable": false, "permissions": []object{pulls},
	}, 200)
	c.do("GET", "/robots/"+id, nil, 200).has(`"disable":false`, `"expires_at":-1`)
	for since := time.Now(); c.site.Status(c.t, who[0], who[1], "GET", "/v2/") != 200; time.Sleep(50 * time.Millisecond) {
		if time.Since(since) > 10*time.Second {
			c.t.Fatal("the robot does not sign in again")
		}
	}
}
