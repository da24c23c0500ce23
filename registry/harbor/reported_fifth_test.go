package harbor_test

import (
	"fmt"
	"strings"
	"testing"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// reportsOfRights are what people reported of who may what, of counts and of names with
// slashes.
var reportsOfRights = []report{
	{"harbor#8035, harbor#15904, harbor#16133: a robot lists and deletes tags and artifacts, by both APIs", robotDeletes},
	{"harbor#17787, harbor#9043: a page has ten where nothing is said, and says how to go on", tenOfMany},
	{"harbor#3935: a public project that one is a member of counts once", countedOnce},
	{"harbor#652: an administrator of a project makes it public and private", toggled},
	{"harbor#18144: who may delete a project may be one who may not make another", deletesOnly},
	{"harbor#15451: an administrator of a project adds a group", addsGroup},
	{"harbor#9749: what a group is given holds for who signed in before", groupAfter},
	{"harbor#104: an administrator of all projects manages one that is nobody's", nobodysProject},
	{"harbor#12224, harbor#12500, harbor#16144: a repository of several parts, of which one is its project's name", namedTwice},
	{"harbor#16526: an artifact with several tags has each label once", labelledOnce},
	{"harbor#9824: the label of another project is none", othersLabel},
	{"harbor#11463: a copy that is there already is no conflict, and brings all tags", copiedTwice},
}

// TestReportedOfRights tries them on one registry.
func TestReportedOfRights(t *testing.T) {
	c := harborClient{t, webtest.Start(t, config.Config{}), [2]string{"admin", webtest.Password}}
	for _, r := range reportsOfRights {
		t.Run(r.of, func(t *testing.T) {
			c := c
			c.t = t
			r.do(c)
		})
	}
}

// member makes a user with a role in a project; 0 is none.
func (c harborClient) member(name, project string, role int) harborClient {
	c.t.Helper()
	c.do("POST", "/users", object{"username": name, "password": webtest.Password}, 201)
	if role != 0 {
		c.do("POST", "/projects/"+project+"/members", object{"role_id": role, "member_user": object{"username": name}}, 201)
	}
	return harborClient{c.t, c.site, [2]string{name, webtest.Password}}
}

func robotDeletes(c harborClient) {
	c.project("robots")
	img := c.site.Push(c.t, "robots/app", "v1", webtest.Image{})
	c.site.Push(c.t, "robots/app", "v2", webtest.Image{})
	c.site.Push(c.t, "robots/app", "v3", webtest.Image{Layers: []map[string]string{{"n": "3"}}})
	who, _ := c.robot("robots", -1, "repository:pull", "repository:push", "repository:list", "repository:read", "artifact:read", "artifact:list",
		"artifact:delete", "tag:list", "tag:delete", "repository:delete")
	robot := harborClient{c.t, c.site, who}
	const app = "/projects/robots/repositories/app/artifacts"
	robot.ask("GET", "/v2/robots/app/tags/list", nil, 200).has(`"v1"`, `"v3"`)
	robot.do("GET", app+"/v1/tags", nil, 200).has(`"name":"v1"`, `"name":"v2"`)
	robot.do("DELETE", app+"/v1/tags/v1", nil, 200)
	robot.do("GET", app+"/v2/tags", nil, 200).hasNot(`"name":"v1"`)
	robot.ask("DELETE", "/v2/robots/app/manifests/"+img.Digest.String(), nil, 202)
	robot.do("DELETE", app+"/v3", nil, 200)
	robot.do("GET", app+"/v2", nil, 404)
	poor, _ := c.robotCalled("reader", "robots", "repository:pull")
	harborClient{c.t, c.site, poor}.ask("GET", "/v2/robots/app/tags/list", nil, 0)
	harborClient{c.t, c.site, poor}.ask("DELETE", "/v2/robots/app/manifests/v3", nil, 403)
}

func (c harborClient) robotCalled(name, project, right string) (who [2]string, id string) {
	c.t.Helper()
	resource, action, _ := strings.Cut(right, ":")
	a := c.do("POST", "/robots", object{"name": name, "level": "project", "duration": -1, "permissions": []object{{
		"kind": "project", "namespace": project, "access": []object{{"resource": resource, "action": action}},
	}}}, 201)
	var made struct{ Name, Secret string }
	a.into(&made)
	return [2]string{made.Name, made.Secret}, a.id()
}

func tenOfMany(c harborClient) {
	c.project("many")
	for i := range 12 {
		c.site.Push(c.t, fmt.Sprintf("many/app%02d", i), "v1", webtest.Image{})
	}
	a := c.do("GET", "/projects/many/repositories", nil, 200)
	var list []object
	if a.into(&list); len(list) != 10 || a.header.Get("X-Total-Count") != "12" || !strings.Contains(a.header.Get("Link"), `rel="next"`) {
		c.t.Errorf("%d of %s, %s", len(list), a.header.Get("X-Total-Count"), a.header.Get("Link"))
	}
	if n := c.count("/projects/many/repositories?page=2&page_size=10"); n != 2 {
		c.t.Errorf("the second page has %d", n)
	}
}

func countedOnce(c harborClient) {
	c.do("POST", "/projects", object{"project_name": "counted", "metadata": object{"public": "true"}}, 201)
	user := c.member("counting", "counted", 3)
	c.do("POST", "/usergroups", object{"group_name": "counters"}, 201)
	a := user.do("GET", "/projects?name=counted", nil, 200)
	var list []object
	if a.into(&list); len(list) != 1 || a.header.Get("X-Total-Count") != "1" {
		c.t.Errorf("%d, X-Total-Count %s", len(list), a.header.Get("X-Total-Count"))
	}
	all := user.do("GET", "/projects?page_size=100", nil, 200)
	if all.into(&list); fmt.Sprint(len(list)) != all.header.Get("X-Total-Count") {
		c.t.Errorf("%d projects, X-Total-Count %s", len(list), all.header.Get("X-Total-Count"))
	}
}

func toggled(c harborClient) {
	c.project("toggled")
	owner := c.member("toggler", "toggled", 1)
	nobody := harborClient{c.t, c.site, [2]string{}}
	for _, public := range []string{"true", "false"} {
		owner.do("PUT", "/projects/toggled", object{"metadata": object{"public": public}}, 200)
		want := map[string]int{"true": 200, "false": 0}[public]
		if got := nobody.do("GET", "/projects/toggled", nil, want); public == "false" && got.status < 400 {
			c.t.Errorf("a private project is seen by nobody: %d", got.status)
		}
	}
	guest := c.member("guest-of-toggled", "toggled", 3)
	guest.do("PUT", "/projects/toggled", object{"metadata": object{"public": "true"}}, 403)
}

func deletesOnly(c harborClient) {
	c.project("deletable")
	owner := c.member("deleter", "deletable", 1)
	owner.do("POST", "/projects", object{"project_name": "another"}, 403)
	owner.do("DELETE", "/projects/deletable", nil, 200)
}

func (c harborClient) group(name string) string {
	c.t.Helper()
	return c.do("POST", "/usergroups", object{"group_name": name}, 201).id()
}

func addsGroup(c harborClient) {
	c.project("grouped")
	owner := c.member("grouper", "grouped", 1)
	c.group("backend-team")
	owner.do("POST", "/projects/grouped/members", object{"role_id": 2, "member_group": object{"group_name": "backend-team"}}, 201)
	owner.do("GET", "/projects/grouped/members", nil, 200).has(`"entity_name":"backend-team"`, `"entity_type":"g"`)
	maintainer := c.member("maintainer-of-grouped", "grouped", 4)
	maintainer.do("POST", "/projects/grouped/members", object{"role_id": 2, "member_group": object{"group_name": "backend-team"}}, 403)
}

func groupAfter(c harborClient) {
	c.project("later")
	c.site.Push(c.t, "later/app", "v1", webtest.Image{})
	user := c.member("early", "later", 0)
	user.do("GET", "/projects/later", nil, 0)
	c.site.API(c.t, "POST", "/groups", `{"name":"late-team"}`, 201)
	c.site.API(c.t, "PUT", "/groups/late-team/users/early", `{}`, 204)
	c.do("POST", "/projects/later/members", object{"role_id": 3, "member_group": object{"group_name": "late-team"}}, 201)
	user.do("GET", "/projects/later", nil, 200)
	user.ask("GET", "/v2/later/app/tags/list", nil, 200).has(`"v1"`)
}

func nobodysProject(c harborClient) {
	c.project("left")
	id := c.do("POST", "/users", object{"username": "leaver", "password": webtest.Password}, 201).id()
	c.do("POST", "/projects/left/members", object{"role_id": 1, "member_user": object{"username": "leaver"}}, 201)
	c.do("DELETE", "/users/"+id, nil, 200)
	c.do("GET", "/projects/left/members", nil, 200).hasNot(`"leaver"`)
	c.member("next", "left", 1).do("PUT", "/projects/left", object{"metadata": object{"public": "true"}}, 200)
}

func namedTwice(c harborClient) {
	c.project("it-tools")
	const repo = "mws/it-tools/mw_nginx"
	c.site.Push(c.t, "it-tools/"+repo, "v1", webtest.Image{})
	for _, slash := range []string{"%2F", "%252F"} {
		at := "/projects/it-tools/repositories/" + strings.ReplaceAll(repo, "/", slash)
		c.do("GET", at, nil, 200).has(`"name":"it-tools/` + repo + `"`)
		c.do("GET", at+"/artifacts", nil, 200).has(`"name":"v1"`)
		c.do("POST", at+"/artifacts/v1/tags", object{"name": fmt.Sprint("v", len(slash))}, 201)
	}
	c.do("GET", "/search?q=mw_nginx", nil, 200).has(`"repository_name":"it-tools/` + repo + `"`)
	c.do("DELETE", "/projects/it-tools/repositories/mws%2Fit-tools%2Fmw_nginx", nil, 200)
	c.do("GET", "/projects/it-tools/repositories/mws%252Fit-tools%252Fmw_nginx", nil, 404)
}

func labelledOnce(c harborClient) {
	c.project("labelled")
	for _, tag := range []string{"a", "b", "c"} {
		c.site.Push(c.t, "labelled/app", tag, webtest.Image{})
	}
	id := c.label("only-once")
	c.do("POST", "/projects/labelled/repositories/app/artifacts/b/labels", numbered(id), 200)
	var list []struct{ Labels []object }
	c.do("GET", "/projects/labelled/repositories/app/artifacts?with_label=true&with_tag=true", nil, 200).into(&list)
	if len(list) != 1 || len(list[0].Labels) != 1 {
		c.t.Errorf("%+v", list)
	}
}

func othersLabel(c harborClient) {
	mine, other := c.project("mine"), c.project("other")
	c.site.Push(c.t, "mine/app", "v1", webtest.Image{})
	if mine == other {
		c.t.Fatal("two projects have one number")
	}
	id := c.do("POST", "/labels", object{"name": "of-other", "scope": "p", "project_id": numbered(other)["id"]}, 201).id()
	c.do("POST", "/projects/mine/repositories/app/artifacts/v1/labels", numbered(id), 404)
	c.do("GET", "/projects/mine/repositories/app/artifacts/v1", nil, 200).has(`"labels":[]`)
}

func copiedTwice(c harborClient) {
	c.project("from")
	c.project("onto")
	for _, tag := range []string{"v1", "latest"} {
		c.site.Push(c.t, "from/app", tag, webtest.Image{})
	}
	for range 2 {
		c.do("POST", "/projects/onto/repositories/app/artifacts?from=from/app:v1", nil, 201)
		c.do("GET", "/projects/onto/repositories/app/artifacts/v1/tags", nil, 200).has(`"name":"v1"`, `"name":"latest"`)
	}
}
